import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface Certificates {
  /** Paths of PEM files. The server's is for 127.0.0.1, ::1 and localhost. */
  readonly ca: string;
  readonly serverCert: string;
  readonly serverKey: string;
  readonly clientCert: string;
  readonly clientKey: string;
}

const EXTENSIONS = `[server]
basicConstraints=critical,CA:FALSE
extendedKeyUsage=serverAuth
subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1
[client]
basicConstraints=critical,CA:FALSE
extendedKeyUsage=clientAuth
`;

const KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

async function issue(directory: string, name: "server" | "client"): Promise<void> {
  const path = (suffix: string): string => join(directory, `${name}.${suffix}`);
  await run("openssl", ["req", "-new", ...KEY, "-keyout", path("key"), "-out", path("csr"), "-subj", `/CN=${name}`]);
  const signing = ["-CA", join(directory, "ca.crt"), "-CAkey", join(directory, "ca.key"), "-CAcreateserial"];
  const extensions = ["-extfile", join(directory, "extensions"), "-extensions", name];
  await run("openssl", [
    "x509",
    "-req",
    "-in",
    path("csr"),
    ...signing,
    ...extensions,
    "-days",
    "2",
    "-out",
    path("crt"),
  ]);
}

/** Makes, by openssl, a certificate authority of its own and a server's and a client's certificate from it. */
export async function makeCertificates(directory: string): Promise<Certificates> {
  const path = (name: string): string => join(directory, name);
  await writeFile(path("extensions"), EXTENSIONS);
  const subject = ["-subj", "/CN=test authority", "-days", "2"];
  await run("openssl", ["req", "-x509", ...KEY, "-keyout", path("ca.key"), "-out", path("ca.crt"), ...subject]);
  await issue(directory, "server");
  await issue(directory, "client");
  return {
    ca: path("ca.crt"),
    serverCert: path("server.crt"),
    serverKey: path("server.key"),
    clientCert: path("client.crt"),
    clientKey: path("client.key"),
  };
}
