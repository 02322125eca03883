import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { VarveError, messageOf } from "../../core/index.ts";
import { findProgram } from "../../linux/index.ts";
import type { Subnet } from "./subnet.ts";

const run = promisify(execFile);
/** Milliseconds for one program. */
const DEADLINE = 60_000;
/** Seconds that iptables waits for others that change the tables. */
const LOCK_PATIENCE = "30";

/** The rules by which packets of a bridge leave the machine under its address, and nothing comes in but answers. */
export interface Firewall {
  /** Adds the rules, unless they are there. */
  add(): Promise<void>;
  /** Removes them. What is not there is no error. */
  remove(): Promise<void>;
  /** A shell command that removes them. */
  readonly removal: string;
}

/**
 * Returns the rules for a bridge, made by iptables, or else by nft.
 *
 * @throws {VarveError} `unsupported`, with a hint, if neither is installed.
 */
export async function firewallOf(bridge: string, { text: subnet }: Subnet): Promise<Firewall> {
  const iptables = await findProgram("iptables");
  if (iptables !== undefined) return iptablesRules(iptables, rulesOf(bridge, subnet));
  const nft = await findProgram("nft");
  if (nft !== undefined) return nftTable(nft, bridge, subnet);
  throw new VarveError("unsupported", "Cannot make a bridge network: neither iptables nor nft is installed", {
    hint: "apt-get install iptables",
  });
}

interface Rule {
  readonly table: "nat" | "filter";
  readonly rule: readonly string[];
}

/** The last one comes first in its chain. */
function rulesOf(bridge: string, subnet: string): readonly Rule[] {
  const answers = ["-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED"];
  return [
    { table: "nat", rule: ["POSTROUTING", "-s", subnet, "!", "-o", bridge, "-j", "MASQUERADE"] },
    { table: "filter", rule: ["FORWARD", "-o", bridge, "-j", "DROP"] },
    { table: "filter", rule: ["FORWARD", "-o", bridge, ...answers, "-j", "ACCEPT"] },
    { table: "filter", rule: ["FORWARD", "-i", bridge, "-j", "ACCEPT"] },
  ];
}

function iptablesRules(program: string, rules: readonly Rule[]): Firewall {
  const args = (action: string, { table, rule }: Rule): string[] => ["-w", LOCK_PATIENCE, "-t", table, action, ...rule];
  const succeeds = async (action: string, rule: Rule): Promise<boolean> =>
    await run(program, args(action, rule), { timeout: DEADLINE }).then(
      () => true,
      () => false,
    );
  return {
    add: async () => {
      for (const rule of rules) {
        if (await succeeds("-C", rule)) continue;
        await checked(program, args("-I", rule));
      }
    },
    remove: async () => {
      for (const rule of rules) await succeeds("-D", rule);
    },
    removal: rules.map((rule) => [program, ...args("-D", rule)].map(quoted).join(" ")).join("\n"),
  };
}

function nftTable(program: string, bridge: string, subnet: string): Firewall {
  const name = `varve_${bridge.replaceAll(/[^A-Za-z0-9_]/g, "_")}`;
  const table = `table ip ${name} {
  chain postrouting {
    type nat hook postrouting priority 100; policy accept;
    ip saddr ${subnet} oifname != "${bridge}" masquerade
  }
  chain forward {
    type filter hook forward priority 0; policy accept;
    iifname "${bridge}" accept
    oifname "${bridge}" ct state related,established accept
    oifname "${bridge}" drop
  }
}
`;
  return {
    add: async () => await checked(program, [`table ip ${name}; delete table ip ${name}; ${table}`]),
    remove: async () => {
      await run(program, ["delete", "table", "ip", name], { timeout: DEADLINE }).catch(() => undefined);
    },
    removal: `${quoted(program)} delete table ip ${name}`,
  };
}

async function checked(program: string, args: readonly string[]): Promise<void> {
  try {
    await run(program, args, { timeout: DEADLINE });
  } catch (error) {
    const stderr = error instanceof Error && "stderr" in error ? String(error.stderr).trim().slice(0, 500) : "";
    throw new VarveError(
      "unsupported",
      `Cannot make a bridge network: ${program} failed: ${stderr === "" ? messageOf(error) : stderr}`,
      { cause: error, hint: "The kernel needs network address translation (nf_nat), and this process CAP_NET_ADMIN." },
    );
  }
}

export function quoted(word: string): string {
  return `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
