import type { VarveError } from "../../../../core/index.ts";
import type { LintWarning, SourceFile, SourceRange } from "../../../../dockerfile/index.ts";
import type { CheckResult } from "../../../../frontend/index.ts";
import type { OrderedJson } from "../../../../core/index.ts";
import { type SubrequestMetadata, base64, locationJson, metadataOf, unlessEmpty, unlessNone } from "./metadata.ts";

const FRAME = "--------------------";

/**
 * Returns the answer to `frontend.lint`. An error that fails the build is a part of it.
 *
 * @see moby/buildkit frontend/subrequests/lint/lint.go
 */
export function lintMetadata({ warnings, missing, error }: CheckResult, source: SourceFile): SubrequestMetadata {
  const failure = error ?? missing[0];
  const json = {
    warnings: unlessNone(warnings.map(warningJson)) ?? null,
    sources: [{ filename: source.name, data: unlessEmpty(base64(source.text)), language: "Dockerfile" }],
    buildError: failure && { message: failure.message, location: errorLocation(failure) },
  };
  const byLine = warnings.toSorted((a, b) => a.range.start.line - b.range.start.line);
  return metadataOf(json, "1.0.0", {
    text: byLine.map((warning) => warningText(warning, source)).join(""),
    statuscode: warnings.length > 0 || failure !== undefined ? "1" : "0",
  });
}

function warningJson({ rule, description, url, message, range }: LintWarning): OrderedJson {
  return {
    ruleName: rule,
    description: unlessEmpty(description),
    url: unlessEmpty(url),
    detail: unlessEmpty(message),
    location: locationJson(range),
  };
}

function errorLocation({ details }: VarveError): OrderedJson {
  const { location } = details;
  if (location === undefined) return {};
  const { line, column, endLine, endColumn } = location;
  return locationJson({ start: { line, column }, end: { line: endLine, column: endColumn } });
}

function warningText({ rule, url, message, range }: LintWarning, source: SourceFile): string {
  return `\nWARNING: ${rule}${url === "" ? "" : ` - ${url}`}\n${message}\n${linesText(source, range)}`;
}

/**
 * Returns the lines of a range and some around it.
 *
 * @see moby/buildkit solver/errdefs/source.go
 */
function linesText({ name, text }: SourceFile, range: SourceRange): string {
  const lines = text.split("\n");
  const first = range.start.line;
  if (first < 1 || first > lines.length) return "";
  let start = first;
  let end = Math.min(Math.max(first, range.end.line), lines.length);
  const most = start === end ? 4 : 2;
  for (let added = 0; added < most; added += 1) {
    if (start > 1) {
      start -= 1;
      added += 1;
    }
    if (end !== lines.length) {
      end += 1;
      added += 1;
    }
  }
  const rows = lines.slice(start - 1, end).map((line, index) => {
    const number = start + index;
    const isMarked = number >= first && number <= Math.max(first, range.end.line);
    return ` ${String(number).padStart(3)} | ${isMarked ? ">>>" : "   "} ${line}\n`;
  });
  return `${name}:${first}\n${FRAME}\n${rows.join("")}${FRAME}\n`;
}
