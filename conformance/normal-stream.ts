/** What the client prints, with what differs from run to run replaced; the client's own words left out. */
export function normalStream(
  stdout: string,
  stderr: string,
  { context, base }: { readonly context: string; readonly base: string },
): string[] {
  const lines = [...stdout.split("\n"), ...stderr.split("\n").filter((line) => !CLIENT.test(line))];
  return lines
    .map((line) => line.replaceAll("\r", ""))
    .filter((line) => line !== "" && !line.startsWith("Sending build context"))
    .map((line) => replace(line, context, base));
}

/** The client says that the builder is deprecated, and which file it looked for. */
const CLIENT =
  /^(?:DEPRECATED:|\s+(?:BuildKit is currently|environment-variable|Install the buildx)|\s+https:\/\/docs\.docker)/;

function replace(line: string, context: string, base: string): string {
  return line
    .replaceAll(context, "<context>")
    .replaceAll(base, "{base}")
    .replace(
      /( ---> |Successfully built | ---> Running in | ---> Removed intermediate container )[0-9a-f]{12}$/,
      "$1<id>",
    )
    .replace(/^sha256:[0-9a-f]{64}$/, "<digest>");
}
