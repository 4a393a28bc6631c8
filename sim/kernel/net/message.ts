/** What goes between sockets. */
import type { OpenFile } from "../fs/open_file.ts";
import type { SocketAddress } from "./socket_address.ts";

/** Process that a peer belongs to (SO_PEERCRED, SCM_CREDENTIALS). */
export interface PeerIdentity {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

export interface Message {
  readonly bytes: Uint8Array;
  readonly from: SocketAddress;
  readonly files: readonly OpenFile[];
  readonly sender: PeerIdentity;
}

/** What a receive got. `total` is the message's whole length; more than `count` was cut off. */
export interface Received {
  readonly count: number;
  readonly total: number;
  readonly from: SocketAddress | null;
  readonly files: readonly OpenFile[];
  readonly sender: PeerIdentity | null;
}

/** What a receive gets at the end. */
export const EMPTY: Received = { count: 0, total: 0, from: null, files: [], sender: null };
