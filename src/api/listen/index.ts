export { type Address, formatAddress, isLoopback, parseAddress } from "./address.ts";
export { type SocketAccess, groupId, listenUnix } from "./unix-socket.ts";
export {
  type Bound,
  type MutualTls,
  type TcpAccess,
  type TlsFiles,
  type Transport,
  bind,
  transportOf,
} from "./open.ts";
