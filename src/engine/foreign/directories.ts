import { writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { temporaryDirectory } from "../../io/index.ts";
import { contextDirectory } from "../context/directory.ts";
import { type OpenedContext, isRemote } from "../context/contexts.ts";
import type { BuildSettings, DockerfileSource } from "../options/options.ts";
import type { Session } from "../session.ts";

/**
 * Makes the directories of a build readable by the names that front ends know: `context`, `dockerfile`, and those of named contexts. A front
 * end reads what is remote by itself.
 */
export async function shareDirectories(
  context: OpenedContext,
  settings: BuildSettings,
  session: Session,
  stack: AsyncDisposableStack,
): Promise<void> {
  if (context.directory === undefined)
    session.locals.add("context", { path: await emptyDirectory(session, stack), lasting: false });
  const path = await dockerfileDirectory(context, settings, session, stack);
  if (path !== undefined) session.locals.add("dockerfile", { path, lasting: false });
  for (const [name, source] of Object.entries(settings.buildContexts ?? {}))
    if (!/^(?:docker-image|oci-layout|target):/.test(source) && !isRemote(source))
      session.locals.add(name, await contextDirectory(source));
}

async function dockerfileDirectory(
  context: OpenedContext,
  settings: BuildSettings,
  session: Session,
  stack: AsyncDisposableStack,
): Promise<string | undefined> {
  const dockerfile = context.dockerfile ?? settings.dockerfile;
  switch (dockerfile?.kind) {
    case "file":
      return dirname(dockerfile.path);
    case "text":
      return await writtenDirectory(dockerfile, session, stack);
    case "context":
    case undefined:
      return context.directory;
  }
}

async function writtenDirectory(
  { text, name = "Dockerfile" }: Extract<DockerfileSource, { kind: "text" }>,
  session: Session,
  stack: AsyncDisposableStack,
): Promise<string> {
  const directory = await emptyDirectory(session, stack);
  await writeFile(join(directory, basename(name)), text);
  return directory;
}

async function emptyDirectory({ store }: Session, stack: AsyncDisposableStack): Promise<string> {
  return stack.use(await temporaryDirectory("frontend-", store.contexts.path)).path;
}
