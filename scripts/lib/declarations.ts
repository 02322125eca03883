import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import {
  type Comment,
  type Declaration,
  type Directive,
  type Expression,
  type ModuleExportName,
  type Statement,
  type TSTypeName,
  Visitor,
  parseSync,
} from "oxc-parser";

/** A declaration file, as far as exports go. */
interface DeclarationFile {
  /** Texts of what is declared under a name, without comments: several for overloads, or a type and a value. */
  readonly declared: ReadonlyMap<string, readonly string[]>;
  /** Names that the declarations of a name refer to, qualified ones as `module.name`. */
  readonly references: ReadonlyMap<string, ReadonlySet<string>>;
  /** What each exported name stands for. */
  readonly exported: ReadonlyMap<string, Target>;
  /** Names that come from other files: imported, and maybe exported again. */
  readonly imported: ReadonlyMap<string, Target>;
  /** Files all of whose exports are exported again. */
  readonly stars: readonly string[];
}

/** A declaration, and the file it is in. */
interface Place {
  readonly file: string;
  readonly name: string;
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

  /**
   * The types of this package that a signature exported from `path` names and that `path` does not export, each with an export
   * that names it. Types of the language, of Node and of other packages do not count.
   */
  missingFrom(path: string): ReadonlyMap<string, string> {
    const exported = [...this.#namesOf(path, new Set())].toSorted();
    const places = exported.map((name) => ({ name, place: this.#locate(path, name) }));
    const known = new Set(places.map(({ place }) => keyOf(place)));
    const missing = new Map<string, string>();
    for (const { name, place } of places) {
      if (place === undefined) continue;
      for (const reference of this.#file(place.file).references.get(place.name) ?? []) {
        const target = this.#resolve(place.file, reference);
        if (target !== undefined && !known.has(keyOf(target))) missing.set(`${target.name} (${target.file})`, name);
      }
    }
    return missing;
  }

  /** The declaration of this package that a name in a file stands for. */
  #resolve(path: string, reference: string): Place | undefined {
    const [first = "", second] = reference.split(".");
    const { declared, imported } = this.#file(path);
    const target = imported.get(first);
    if (target === undefined) return declared.has(first) ? { file: path, name: first } : undefined;
    if (target.file === undefined) return undefined;
    return this.#locate(target.file, target.name === "*" ? (second ?? unknownName(path, reference)) : target.name);
  }

  #find(path: string, name: string): readonly string[] | undefined {
    const place = this.#locate(path, name);
    if (place === undefined) return undefined;
    if (place.name === "*") return [`export * as ${name} of ${[...this.exportsOf(place.file).keys()].join(", ")}`];
    return this.#file(place.file).declared.get(place.name);
  }

  #namesOf(path: string, seen: Set<string>): Set<string> {
    if (seen.has(path)) return new Set();
    seen.add(path);
    const { exported, stars } = this.#file(path);
    return new Set([...exported.keys(), ...stars.flatMap((star) => [...this.#namesOf(star, seen)])]);
  }

  #locate(path: string, name: string): Place | undefined {
    const { exported, imported, stars } = this.#file(path);
    const target = exported.get(name);
    if (target === undefined)
      return stars
        .values()
        .map((star) => this.#locate(star, name))
        .find((found) => found !== undefined);
    const { file, name: original } = target.file === undefined ? (imported.get(target.name) ?? target) : target;
    if (file === undefined) return { file: path, name: original };
    return original === "*" ? { file, name: original } : this.#locate(file, original);
  }

  #file(path: string): DeclarationFile {
    const known = this.#files.get(path);
    if (known !== undefined) return known;
    const file = readDeclarations(path);
    this.#files.set(path, file);
    return file;
  }
}

function keyOf(place: Place | undefined): string {
  return place === undefined ? "" : `${place.name} ${place.file}`;
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
  const references = new Map<string, Set<string>>();
  const stars: string[] = [];
  const declare = (declaration: Declaration, isExported: boolean): void => {
    for (const name of namesOf(declaration)) {
      declared.set(name, [...(declared.get(name) ?? []), withoutComments(text, declaration, comments)]);
      references.set(name, (references.get(name) ?? new Set()).union(referencesOf(declaration)));
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
  return { declared, references, exported, imported, stars };
}

/** Names of types and values that a declaration refers to, without its own type parameters. */
function referencesOf(declaration: Declaration): Set<string> {
  const found = new Set<string>();
  const parameters = new Set<string>();
  const visitor = new Visitor({
    TSTypeParameter: ({ name }) => void parameters.add(name.name),
    TSTypeReference: ({ typeName }) => void found.add(qualified(typeName)),
    TSTypeQuery: ({ exprName }) => void (exprName.type !== "TSImportType" && found.add(qualified(exprName))),
    TSInterfaceHeritage: ({ expression }) => void found.add(qualified(expression)),
    TSClassImplements: ({ expression }) => void found.add(qualified(expression)),
    ClassDeclaration: ({ superClass }) => void (superClass !== null && found.add(qualified(superClass))),
  });
  visitor.visit({ type: "Program", body: [declaration], sourceType: "module", hashbang: null, start: 0, end: 0 });
  return found.difference(parameters);
}

/** `a` or `a.b` as text; "" for any other expression. */
function qualified(node: Expression | TSTypeName): string {
  switch (node.type) {
    case "Identifier":
      return node.name;
    case "TSQualifiedName":
      return `${qualified(node.left)}.${node.right.name}`;
    case "MemberExpression":
      return node.property.type === "Identifier" ? `${qualified(node.object)}.${node.property.name}` : "";
    default:
      return "";
  }
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
