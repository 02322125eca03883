/** Writes to a stream of this process, and waits until its reader takes the data. */
export async function writeTo(stream: NodeJS.WriteStream, data: string | Uint8Array): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  stream.write(data, (error) => (error === null || error === undefined ? resolve() : reject(error)));
  await promise;
}

/** A closed pipe at standard output ends the process, as for other commands. */
export function endWithReader(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
  });
}
