export { type DeviceSettings, type RegisteredDevice, Devices } from "./devices.ts";
export type * from "./types.ts";
