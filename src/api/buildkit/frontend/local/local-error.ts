import { VarveError, isVarveError, parseJson } from "../../../../core/index.ts";
import { lineRange, locatedError, sourceFile } from "../../../../dockerfile/index.ts";
import { GrpcCode, GrpcError } from "../../../../grpc/index.ts";
import { type Detail, isSourceDetail } from "../../errors/detail.ts";
import { statusOf } from "../../errors/status.ts";

/** Returns the error of a front end as one of a build of this process, with its position in a file if it has one. */
export function localError(error: unknown): unknown {
  if (!(error instanceof GrpcError)) return error;
  const cause = causeOf(error);
  if (error.code === GrpcCode.cancelled) return cause ?? new VarveError("cancelled", error.message, { cause: error });
  const plain = new VarveError(cause?.code ?? "invalid-build", error.message, {
    details: cause?.details,
    hint: cause?.hint,
    cause: error,
  });
  const position = statusOf(error).details.find(isSourceDetail);
  return position === undefined ? plain : located(plain, position);
}

/** Returns the error of this program that the error of the call was made of. */
function causeOf({ cause }: Error): VarveError | undefined {
  if (isVarveError(cause)) return cause;
  return cause instanceof Error ? causeOf(cause) : undefined;
}

function located(error: VarveError, { value }: Detail): VarveError {
  const json = parseJson(value, "a position").requiredObject();
  const info = json.field("info").objectOrEmpty();
  const text = Buffer.from(info.string("data") ?? "", "base64").toString();
  const file = sourceFile(info.string("filename") ?? "Dockerfile", text);
  const lines = json.objects("ranges").flatMap((range) => [lineAt(range, "start"), lineAt(range, "end")]);
  const inFile = lines.filter((line) => line > 0 && line <= file.lines.length);
  if (inFile.length === 0) return error;
  return locatedError(error, file, lineRange(file, Math.min(...inFile), Math.max(...inFile)));
}

type Fields = ReturnType<ReturnType<typeof parseJson>["requiredObject"]>;

function lineAt(range: Fields, end: "start" | "end"): number {
  const { raw } = range.field(end).objectOrEmpty().field("line");
  return typeof raw === "number" ? raw : 0;
}
