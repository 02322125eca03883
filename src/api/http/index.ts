export type { Handler, HttpRequest, HttpResponse } from "./types.ts";
export { type Address, formatAddress, parseAddress } from "./address.ts";
export { type Listener, type TcpAccess, type TlsFiles, openListener } from "./open.ts";
