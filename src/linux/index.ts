export * from "./allocate.ts";
export * from "./capability.ts";
export * from "./copy.ts";
export * from "./errno.ts";
export { type OpenedFile, OpenWatch } from "./fanotify.ts";
export { changePlaces } from "./exchange.ts";
export { changeRoot, execute, passStandardDescriptors } from "./execute.ts";
export * from "./find-program.ts";
export * from "./flock.ts";
export * from "./id-maps.ts";
export { confineTo, landlockVersion } from "./landlock.ts";
export * from "./make-directories.ts";
export { returnLargeBuffers, trimMalloc } from "./malloc.ts";
export { dropProgramPages, ownMemory } from "./program-pages.ts";
export * from "./mount.ts";
export { guardMounts } from "./mount-guard.ts";
export * from "./namespace.ts";
export { type NetworkLink, NetworkLinks, type VethPair } from "./netlink.ts";
export * from "./network-namespace.ts";
export * from "./node.ts";
export { type Owner, representableOwner, setOpenOwner, setOwner, unmappedOwner } from "./owner.ts";
export { type OverlayOptions, mountOverlay, tryOverlay } from "./overlay.ts";
export * from "./path.ts";
export * from "./pipe.ts";
export {
  type ProcessLimit,
  becomeSubreaper,
  dieWithParent,
  forbidNewPrivileges,
  limitBoundingSet,
  resetSignal,
  setCapabilities,
  setProcessLimit,
} from "./privileges.ts";
export { ProcessDirectory, type Removal } from "./process-directory.ts";
export { readText } from "./read-text.ts";
export { reapAdopted } from "./reap.ts";
export * from "./root.ts";
export * from "./sockets.ts";
export { type EntryStat, statAt } from "./stat.ts";
export * from "./sync.ts";
export * from "./terminal.ts";
export * from "./xattr.ts";
