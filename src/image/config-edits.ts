import type { ContainerConfig, Healthcheck } from "./types.ts";

/** The shell of shell-form commands in an image without `Shell`. */
export const DEFAULT_SHELL: readonly string[] = ["/bin/sh", "-c"];
/** The value of `PATH` in an image that sets none. */
export const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Returns the config with more exposed ports, such as `80/tcp`. */
export function withExposedPorts(config: ContainerConfig, ports: Iterable<string>): ContainerConfig {
  return { ...config, ExposedPorts: new Set([...(config.ExposedPorts ?? []), ...ports]) };
}

/** Returns the config with more volumes. */
export function withVolumes(config: ContainerConfig, paths: Iterable<string>): ContainerConfig {
  return { ...config, Volumes: new Set([...(config.Volumes ?? []), ...paths]) };
}

/** Returns the config with more labels. A label replaces one with the same key. */
export function withLabels(
  config: ContainerConfig,
  labels: readonly { readonly key: string; readonly value: string }[],
): ContainerConfig {
  const added = labels.map(({ key, value }) => [key, value] as const);
  return { ...config, Labels: new Map([...(config.Labels ?? []), ...added]) };
}

/** Returns the config with one more ONBUILD trigger. */
export function withTrigger(config: ContainerConfig, instruction: string): ContainerConfig {
  return { ...config, OnBuild: [...(config.OnBuild ?? []), instruction] };
}

/** The values of a HEALTHCHECK instruction. Durations are in nanoseconds. */
export interface HealthcheckValues {
  readonly test: readonly string[];
  readonly interval: number;
  readonly timeout: number;
  readonly startPeriod: number;
  readonly startInterval: number;
  readonly retries: number;
}

/** Converts the values of a HEALTHCHECK instruction to a config. Zeros mean the default and are omitted, as Go does. */
export function healthcheckConfig(values: HealthcheckValues): Healthcheck {
  const { test, interval, timeout, startPeriod, startInterval, retries } = values;
  const numbers = {
    Interval: interval,
    Timeout: timeout,
    StartPeriod: startPeriod,
    StartInterval: startInterval,
    Retries: retries,
  };
  return { Test: [...test], ...Object.fromEntries(Object.entries(numbers).filter(([, value]) => value !== 0)) };
}
