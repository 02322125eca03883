export { type OpenPgpRequest, verifyOpenPgp } from "./openpgp.ts";
export { type SshRequest, verifySsh } from "./ssh.ts";
