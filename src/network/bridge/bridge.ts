import { randomBytes } from "node:crypto";
import { closeSync, existsSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { VarveError, errnoOf, messageOf } from "../../core/index.ts";
import { NetworkLinks, createNetworkNamespace, makeDirectories, tryLock, withinNetwork } from "../../linux/index.ts";
import type { NetworkProvider, StepNetwork } from "../types.ts";
import { takeAddress } from "./addresses.ts";
import { type Firewall, firewallOf } from "./firewall.ts";
import { type BridgeGuard, guardBridge } from "./guard.ts";
import { type Subnet, parseSubnet, routeTo } from "./subnet.ts";

/** State of bridges, for all processes of the machine. */
const STATE = "/run/varve/networks";
const FORWARDING = "/proc/sys/net/ipv4/ip_forward";
const LOOPBACK = { index: 1 };
/** Linux's limit on the names of interfaces: IFNAMSIZ - 1. */
const NAME = /^[A-Za-z0-9_.-]{1,15}$/;
/** How often, and how many milliseconds apart, a process looks whether another one has finished its change of the bridge. */
const ATTEMPTS = 600;
const INTERVAL = 50;

/** What is in the state directory of a bridge, besides a file for each address. */
const FILES = {
  /** Locked by who changes the bridge. */
  change: "change",
  /** Locked together by all processes that use the bridge. */
  users: "users",
  /** Exists if Varve has made the bridge. */
  made: "made",
} as const;

/**
 * A bridge of the machine with an interface for each step. The processes that use the bridge share it; the last one removes it, if one of
 * them has made it. Interfaces of steps are held by descriptors of this process, so that they end with it.
 */
export class BridgeNetworks implements NetworkProvider {
  readonly #name: string;
  readonly #subnet: Subnet;
  readonly #directory: string;
  readonly #firewall: Firewall;
  readonly #users: Disposable;
  readonly #guard: BridgeGuard | undefined;
  /** The networks of steps that are being removed. No step waits for that. */
  readonly #leaving = new Set<Promise<void>>();

  private constructor(
    name: string,
    subnet: Subnet,
    directory: string,
    { firewall, users, guard }: { firewall: Firewall; users: Disposable; guard: BridgeGuard | undefined },
  ) {
    this.#name = name;
    this.#subnet = subnet;
    this.#directory = directory;
    this.#firewall = firewall;
    this.#users = users;
    this.#guard = guard;
  }

  /**
   * Makes the bridge and its rules where they are missing.
   *
   * @throws {VarveError} `unsupported`, with a hint, for what the machine lacks; `invalid-argument` for a name or subnet that cannot be used.
   */
  static async open(name: string, subnetText: string): Promise<BridgeNetworks> {
    if (!NAME.test(name) || name === "." || name === "..")
      throw new VarveError(
        "invalid-argument",
        `Cannot use bridge ${JSON.stringify(name)}: not the name of an interface`,
      );
    const subnet = parseSubnet(subnetText);
    const firewall = await firewallOf(name, subnet);
    const directory = join(STATE, namespaceId(), name);
    makeDirectories(directory, 0o700);
    await using stack = new AsyncDisposableStack();
    using _change = await locked(directory, FILES.change, "exclusive");
    stack.defer(async () => await removeUnused(name, directory, firewall));
    const users = stack.use(await locked(directory, FILES.users, "shared"));
    openBridge(name, subnet, directory);
    allowForwarding();
    await firewall.add();
    const made = join(directory, FILES.made);
    const guard = await guardBridge({ name, made, users: join(directory, FILES.users), firewall });
    stack.move();
    return new BridgeNetworks(name, subnet, directory, { firewall, users, guard });
  }

  enter(): Promise<StepNetwork> {
    return Promise.resolve(this.#enter());
  }

  #enter(): StepNetwork {
    using stack = new DisposableStack();
    const address = stack.use(takeAddress(this.#directory, this.#subnet));
    const namespace = createNetworkNamespace();
    stack.defer(() => closeSync(namespace));
    const name = `varve${randomBytes(5).toString("hex")}`;
    const peer = { name: "eth0", namespace, address: address.hardware };
    using links = new NetworkLinks();
    const bridge = links.find(this.#name);
    if (bridge === undefined) throw unavailable(`bridge ${this.#name} was removed`);
    links.addVeth({ name, master: bridge.index, peer });
    using inside = withinNetwork(namespace, () => new NetworkLinks());
    const own = inside.find(peer.name);
    if (own === undefined) throw unavailable("the interface of the step was removed");
    inside.setUp(LOOPBACK);
    inside.addAddress(own, address.text, this.#subnet.prefix);
    inside.setUp(own);
    inside.addDefaultRoute(this.#subnet.gateway);
    const parts = stack.move();
    return {
      namespace,
      [Symbol.asyncDispose]: async () => {
        const leaving = leave(name, parts);
        this.#leaving.add(leaving);
        void leaving.then(() => this.#leaving.delete(leaving));
        await Promise.resolve();
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#leaving);
    using _change = await locked(this.#directory, FILES.change, "exclusive");
    await this.#guard?.[Symbol.asyncDispose]();
    this.#users[Symbol.dispose]();
    await removeUnused(this.#name, this.#directory, this.#firewall);
  }
}

/** Removes a bridge that no process uses, if Varve has made it, and its rules. The caller has locked `FILES.change`. */
async function removeUnused(name: string, directory: string, firewall: Firewall): Promise<void> {
  using alone = tryLock(join(directory, FILES.users));
  if (alone === undefined) return;
  const made = join(directory, FILES.made);
  if (existsSync(made)) removeLink(name);
  rmSync(made, { force: true });
  await firewall.remove();
}

/** The bridges of one network namespace are those of no other. */
function namespaceId(): string {
  return readlinkSync("/proc/self/ns/net").replaceAll(/\D/g, "");
}

async function locked(directory: string, name: string, mode: "shared" | "exclusive"): Promise<Disposable> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const lock = tryLock(join(directory, name), mode);
    if (lock !== undefined) return lock;
    await sleep(INTERVAL);
  }
  throw new VarveError("busy", `Cannot use the network of ${directory}: another process changes it`);
}

function openBridge(name: string, subnet: Subnet, directory: string): void {
  try {
    using links = new NetworkLinks();
    const known = links.find(name);
    if (known !== undefined && known.kind !== "bridge")
      throw unavailable(`interface ${name} exists and is no bridge`, "Set another bridgeName.");
    const other = routeTo(subnet, readFileSync("/proc/net/route", "utf8"));
    if (other !== undefined && other !== name)
      throw unavailable(`addresses of ${subnet.text} are behind interface ${other}`, "Set another bridgeSubnet.");
    if (known === undefined) {
      writeFileSync(join(directory, FILES.made), "");
      links.addBridge(name);
    }
    const bridge = links.find(name);
    if (bridge === undefined) throw unavailable(`bridge ${name} was removed`);
    links.addAddress(bridge, subnet.gateway, subnet.prefix);
    links.setUp(bridge);
  } catch (error) {
    if (error instanceof VarveError) throw error;
    const hint =
      errnoOf(error) === "EPERM"
        ? "Run as root, or in a container with the capability NET_ADMIN."
        : "The kernel needs bridges and pairs of interfaces (modules bridge and veth).";
    throw unavailable(messageOf(error), hint, error);
  }
}

function allowForwarding(): void {
  if (readFileSync(FORWARDING, "utf8").trim() === "1") return;
  try {
    writeFileSync(FORWARDING, "1");
  } catch (error) {
    throw unavailable(`${FORWARDING} is off and cannot be changed`, "sysctl -w net.ipv4.ip_forward=1", error);
  }
}

/** Removes the interface of a step, then its namespace, and frees its address. */
async function leave(name: string, parts: Disposable): Promise<void> {
  using _parts = parts;
  try {
    using links = new NetworkLinks();
    const link = links.find(name);
    if (link !== undefined) await links.removeLater(link);
  } catch {
    // The kernel removes it with the namespace.
  }
}

/** Removes an interface of this namespace; one that is not there is no error. */
function removeLink(name: string): void {
  using links = new NetworkLinks();
  const link = links.find(name);
  if (link === undefined) return;
  try {
    links.remove(link);
  } catch (error) {
    // The kernel has removed it meanwhile, with the other end.
    if (errnoOf(error) !== "ENODEV") throw error;
  }
}

function unavailable(why: string, hint?: string, cause?: unknown): VarveError {
  return new VarveError("unsupported", `Cannot make a bridge network: ${why}`, { hint, cause });
}
