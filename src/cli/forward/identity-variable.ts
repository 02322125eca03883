/**
 * The variable by which a process in a user namespace is told the `machineIdentity` of the process that has made the namespace: that of
 * the clients of a server there.
 */
export const CLIENT_IDENTITY = "VARVE_CLIENT_IDENTITY";
