import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import {
  type Comment,
  type Declaration,
  type Directive,
  type ModuleExportName,
  type Statement,
  parseSync,
} from "oxc-parser";

/** A declaration file, as far as exports go. */
interface DeclarationFile {
  /** Texts of what is declared under a name, without comments: several for overloads, or a type and a value. */
  readonly declared: ReadonlyMap<string, readonly string[]>;
  /** What each exported name stands for. */
  readonly exported: ReadonlyMap<string, Target>;
  /** Names that come from other files: imported, and maybe exported again. */
  readonly imported: ReadonlyMap<string, Target>;
  /** Files all of whose exports are exported again. */
  readonly stars: readonly string[];
}

/** A name in this file, or in the file named; `*` is the whole of it. */
interface Target {
  readonly file: string | undefined;
  readonly name: string;
}

/** The public names of a module with their declarations, found by following what it exports again from file to file. */
export class Declarations {
  readonly #files = new Map<string, DeclarationFile>();

  /** Names and declarations of everything that `path` exports, sorted by name. Throws if a name leads nowhere. */
  exportsOf(path: string): ReadonlyMap<string, readonly string[]> {
    const names = [...this.#namesOf(path, new Set())].toSorted();
    return new Map(names.map((name) => [name, this.#find(path, name) ?? unknownName(path, name)]));
  }

  #namesOf(path: string, seen: Set<string>): Set<string> {
    if (seen.has(path)) return new Set();
    seen.add(path);
    const { exported, stars } = this.#file(path);
    return new Set([...exported.keys(), ...stars.flatMap((star) => [...this.#namesOf(star, seen)])]);
  }

  #find(path: string, name: string): readonly string[] | undefined {
    const { declared, exported, imported, stars } = this.#file(path);
    const target = exported.get(name);
    if (target === undefined)
      return stars
        .values()
        .map((star) => this.#find(star, name))
        .find((found) => found !== undefined);
    const { file, name: original } = target.file === undefined ? (imported.get(target.name) ?? target) : target;
    if (file === undefined) return declared.get(original);
    if (original === "*") return [`export * as ${name} of ${[...this.exportsOf(file).keys()].join(", ")}`];
    return this.#find(file, original);
  }

  #file(path: string): DeclarationFile {
    const known = this.#files.get(path);
    if (known !== undefined) return known;
    const file = readDeclarations(path);
    this.#files.set(path, file);
    return file;
  }
}

function unknownName(path: string, name: string): never {
  throw new Error(`${path} exports ${name}, which is declared nowhere`);
}

function readDeclarations(path: string): DeclarationFile {
  const text = readFileSync(path, "utf8");
  const { program, comments, errors } = parseSync(path, text);
  if (errors.length > 0) throw new Error(`${path}: ${errors[0]?.message}`);
  const declared = new Map<string, string[]>();
  const exported = new Map<string, Target>();
  const imported = new Map<string, Target>();
  const stars: string[] = [];
  const declare = (declaration: Declaration, isExported: boolean): void => {
    for (const name of namesOf(declaration)) {
      declared.set(name, [...(declared.get(name) ?? []), withoutComments(text, declaration, comments)]);
      if (isExported) exported.set(name, { file: undefined, name });
    }
  };
  for (const node of program.body) {
    switch (node.type) {
      case "ImportDeclaration":
        for (const item of node.specifiers) {
          const name =
            item.type === "ImportSpecifier"
              ? nameOf(item.imported)
              : item.type === "ImportDefaultSpecifier"
                ? "default"
                : "*";
          imported.set(item.local.name, { file: fileOf(path, node.source.value), name });
        }
        break;
      case "ExportAllDeclaration": {
        const file = fileOf(path, node.source.value);
        if (node.exported === null) stars.push(file ?? unknownName(path, node.source.value));
        else exported.set(nameOf(node.exported), { file, name: "*" });
        break;
      }
      case "ExportNamedDeclaration":
        if (node.declaration !== null) declare(node.declaration, true);
        for (const item of node.specifiers) {
          const file = node.source === null ? undefined : fileOf(path, node.source.value);
          exported.set(nameOf(item.exported), { file, name: nameOf(item.local) });
        }
        break;
      default:
        if (isDeclaration(node)) declare(node, false);
    }
  }
  return { declared, exported, imported, stars };
}

/** The declaration file behind a relative specifier; undefined for a package. */
function fileOf(from: string, specifier: string): string | undefined {
  if (!specifier.startsWith(".")) return undefined;
  return join(dirname(from), specifier.replace(/\.[jt]s$/, ".d.ts"));
}

function nameOf(name: ModuleExportName): string {
  return name.type === "Literal" ? name.value : name.name;
}

function isDeclaration(node: Directive | Statement): node is Declaration {
  return /^(?:Variable|Function|Class|TS\w+|TSDeclareFunction)(?:Declaration)?$/.test(node.type);
}

function namesOf(node: Declaration): string[] {
  if (node.type === "VariableDeclaration")
    return node.declarations.flatMap(({ id }) => (id.type === "Identifier" ? [id.name] : []));
  return "id" in node && node.id?.type === "Identifier" ? [node.id.name] : [];
}

function withoutComments(text: string, { start, end }: Declaration, comments: readonly Comment[]): string {
  let kept = "";
  let at = start;
  for (const comment of comments) {
    if (comment.start < start || comment.end > end) continue;
    kept += text.slice(at, comment.start).trimEnd();
    at = comment.end;
  }
  return (kept + text.slice(at, end)).replace(/[ \t]+$/gm, "").replace(/\n{2,}/g, "\n");
}
