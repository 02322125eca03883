import { type Platform, compareBytes, formatWholePlatform, normalizePlatform } from "../../core/index.ts";
import { type Edge, type ExecOp, type SourceOp, walkVertices } from "../../llb/index.ts";
import { type ImageMaterial, type Material, type PinOf, materialOf } from "./material.ts";

/** A secret or an SSH agent that a build could use. Its value is never part of provenance. */
export interface UsedSecret {
  readonly id: string;
  readonly isOptional: boolean;
}

/** A request of a step whose answer is not known by a digest. */
export interface UncapturedRequest {
  /** Digest of the step's vertex. */
  readonly op: string;
  /** The command of the step. */
  readonly name: string;
  readonly method: string;
  readonly uri: string;
  readonly reason: string;
}

/** What a result was made from, and what its steps could reach. */
export class Capture {
  readonly #materials = new Map<string, Material>();
  readonly #secrets = new Map<string, boolean>();
  readonly #agents = new Map<string, boolean>();
  /** Whether a step had a network. */
  hasNetwork = false;
  /** What steps with proxies have requested that is no material; undefined if no step has a proxy. */
  proxied: { readonly incomplete: UncapturedRequest[] } | undefined;
  /** Whether a step built a graph that is not known before it runs. */
  hasNested = false;

  /** Adds what the ops of graphs use. `pin` is called for their sources. */
  async addGraphs(edges: readonly Edge[], pin: PinOf): Promise<void> {
    const vertices = walkVertices(edges.map(({ vertex }) => vertex));
    for (const vertex of vertices) {
      const { op } = vertex;
      if (op.kind === "exec") this.#addExec(op);
      if (op.kind === "build") this.hasNested = true;
      if (op.kind !== "source") continue;
      this.#addCredentials(op);
      const material = await materialOf({ ...vertex, op }, pin);
      if (material !== undefined) this.add(material);
    }
  }

  /** Adds a material. An equal one is added once. */
  add(material: Material): void {
    const key = keyOf(material);
    if (!this.#materials.has(key)) this.#materials.set(key, material);
  }

  delete(material: Material): void {
    this.#materials.delete(keyOf(material));
  }

  /** The materials of one kind, in the order of their names. */
  of<K extends Material["kind"]>(kind: K): readonly Extract<Material, { readonly kind: K }>[] {
    const isOfKind = (material: Material): material is Extract<Material, { readonly kind: K }> =>
      material.kind === kind;
    return [...this.#materials.values()].filter(isOfKind).toSorted((a, b) => compareBytes(nameOf(a), nameOf(b)));
  }

  /**
   * The images, without those by digest whose tag was looked up as well: the graph of a Dockerfile names `app:1@sha256:…` where the
   * Dockerfile names `app:1`.
   */
  get images(): readonly ImageMaterial[] {
    const all = this.of("image");
    const tagged = new Set(all.filter(({ reference }) => !reference.includes("@")).map(({ reference }) => reference));
    return all.filter(({ reference }) => {
      const at = reference.indexOf("@");
      return at < 0 || !tagged.has(withTag(reference.slice(0, at)));
    });
  }

  get secrets(): readonly UsedSecret[] {
    return listOf(this.#secrets);
  }

  get agents(): readonly UsedSecret[] {
    return listOf(this.#agents);
  }

  /** Whether all materials are known. */
  get isComplete(): boolean {
    return !this.hasNested && this.of("local").length === 0 && (this.proxied?.incomplete.length ?? 0) === 0;
  }

  #addExec({ mounts, secretEnv, network }: ExecOp): void {
    for (const mount of mounts) {
      if (mount.type === "secret") use(this.#secrets, mount.secret.id, mount.secret.optional);
      if (mount.type === "ssh") use(this.#agents, mount.ssh.id || "default", mount.ssh.optional);
    }
    for (const { id, optional } of secretEnv) use(this.#secrets, id, optional);
    if (network !== "none") this.hasNetwork = true;
  }

  #addCredentials({ identifier, attrs }: SourceOp): void {
    if (!identifier.startsWith("git://")) return;
    for (const name of ["git.authtokensecret", "git.authheadersecret"]) {
      const id = attrs.get(name) ?? "";
      if (id !== "") use(this.#secrets, id, true);
    }
    const agent = attrs.get("git.mountsshsock") ?? "";
    if (agent !== "") use(this.#agents, agent, true);
  }
}

/** A secret is optional if all its users can do without it. */
function use(secrets: Map<string, boolean>, id: string, isOptional: boolean): void {
  secrets.set(id, isOptional && (secrets.get(id) ?? true));
}

function listOf(secrets: ReadonlyMap<string, boolean>): UsedSecret[] {
  const list = Array.from(secrets, ([id, isOptional]) => ({ id, isOptional }));
  return list.toSorted((a, b) => compareBytes(a.id, b.id));
}

function keyOf(material: Material): string {
  switch (material.kind) {
    case "image":
      return `image ${material.isLayout} ${material.reference} ${platformText(material.platform)}`;
    case "blob":
      return `blob ${material.isLayout} ${material.reference}`;
    case "git":
      return `git ${material.url} ${material.bundle ?? ""}`;
    case "http":
    case "local":
      return `${material.kind} ${nameOf(material)}`;
  }
}

function platformText(platform: Platform | undefined): string {
  return platform === undefined ? "" : formatWholePlatform(normalizePlatform(platform));
}

function nameOf(material: Material): string {
  switch (material.kind) {
    case "image":
    case "blob":
      return material.reference;
    case "git":
    case "http":
      return material.url;
    case "local":
      return material.name;
  }
}

/** Returns a name with its tag, or with `latest`. */
function withTag(name: string): string {
  return name.lastIndexOf(":") > name.lastIndexOf("/") ? name : `${name}:latest`;
}
