/** `/proc/net`: sockets and the interface, as Linux prints them (net/ipv4/tcp_ipv4.c and its kin). */
import { hostBytes } from "./host.ts";
import { LO } from "./interfaces.ts";
import type { InternetSocket } from "./internet_socket.ts";
import type { Network } from "./network.ts";
import { AF_INET, AF_INET6, type InternetAddress } from "./socket_address.ts";
import { SOCKET_TYPES } from "./socket.ts";
import type { TcpSocket } from "./tcp_socket.ts";
import type { UnixSocket } from "./unix_socket.ts";

/** States of connections (include/net/tcp_states.h). */
const ESTABLISHED = 1;
const FIN_WAIT2 = 5;
const CLOSE = 7;
const CLOSE_WAIT = 8;
const LISTEN = 10;

const hex = (value: number, digits: number): string =>
  value.toString(16).toUpperCase().padStart(digits, "0");

/** A host in words of the machine's order, and a port. */
function endpoint({ family, host, port }: InternetAddress): string {
  const bytes = hostBytes(host, family === AF_INET ? 4 : 16);
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  return `${[...words].map((word) => hex(word, 8)).join("")}:${hex(port, 4)}`;
}

/** The columns that all tables of internet sockets have, from the local address to the inode. */
function columns(socket: InternetSocket, state: number, received: number): string {
  const none = { family: socket.family, host: "0".repeat(32), port: 0 };
  const timer = "00:00000000 00000000";
  return `${endpoint(socket.name)} ${endpoint(socket.remote ?? none)} ${hex(state, 2)} ` +
    `00000000:${hex(received, 8)} ${timer} ${String(socket.uid).padStart(5)} ${"0".padStart(8)} ` +
    `${socket.inode.ino}`;
}

/** No kernel address is told. */
const POINTER = "0".repeat(16);

function tcpState(socket: TcpSocket): number {
  if (socket.listening) return LISTEN;
  const ended = socket.peer === null || socket.inbox.writers === 0;
  if (ended) return socket.shutWrite ? CLOSE : CLOSE_WAIT;
  return socket.shutWrite ? FIN_WAIT2 : ESTABLISHED;
}

function tcpRows(network: Network, family: number): string[] {
  const rows: string[] = [];
  for (const socket of network.tcp) {
    if (socket.family !== family || (!socket.listening && socket.remote === null)) continue;
    const state = tcpState(socket as TcpSocket);
    const waiting = state === LISTEN ? socket.backlog!.length : socket.inbox.length;
    // References, timers in ticks, the congestion window and the slow start's threshold.
    const rest = state === LISTEN ? "100 0 0 10 0" : "20 0 0 10 -1";
    const number = String(rows.length).padStart(4);
    rows.push(`${number}: ${columns(socket, state, waiting)} 1 ${POINTER} ${rest}`);
  }
  return rows;
}

function udpRows(network: Network, family: number): string[] {
  const rows: string[] = [];
  for (const socket of network.udp) {
    if (socket.family !== family) continue;
    const state = socket.remote === null ? CLOSE : ESTABLISHED;
    const number = String(rows.length).padStart(5);
    rows.push(`${number}: ${columns(socket, state, socket.messages.held)} 2 ${POINTER} 0`);
  }
  return rows;
}

/** A header and rows; those of IPv4 are filled up with blanks to `width`. */
function table(header: string, rows: readonly string[], width = 0): string {
  return [header, ...rows].map((row) => row.padEnd(width) + "\n").join("");
}

const COLUMNS4 = "sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   " +
  "uid  timeout inode";
const COLUMNS6 = "  sl  " + "local_address".padEnd(38) + "remote_address".padEnd(38) +
  "st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";

/** Flag of a listening socket of AF_UNIX (__SO_ACCEPTCON), states of sockets (linux/net.h). */
const ACCEPTING = 1 << 16;
const UNCONNECTED = 1;
const CONNECTED = 3;

function unixRow(socket: UnixSocket): string {
  const joined = !socket.connectionless && socket.remote !== null;
  const name = socket.local === null ? "" : " " + socket.local.name.replaceAll("\0", "@");
  const numbers = [hex(joined ? 3 : 2, 8), hex(0, 8), hex(socket.listening ? ACCEPTING : 0, 8)];
  const type = hex(SOCKET_TYPES[socket.kind], 4);
  const state = hex(joined ? CONNECTED : UNCONNECTED, 2);
  return `${POINTER}: ${numbers.join(" ")} ${type} ${state} ` +
    `${String(socket.inode.ino).padStart(5)}${name}`;
}

const DEVICES = "Inter-|   Receive                                                |  Transmit\n" +
  " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs " +
  "drop fifo colls carrier compressed\n";

/** Flags of a route (linux/ipv6_route.h): up, unreachable, local, counted, not to be cached. */
const ROUTES6 = [
  `${"0".repeat(32)} 00 ${"0".repeat(32)} 00 ${"0".repeat(32)} ffffffff 00000001 00000000 00200200`,
  `${"1".padStart(32, "0")} 80 ${"0".repeat(32)} 00 ${
    "0".repeat(32)
  } 00000000 00000002 00000000 80200001`,
].map((route) => `${route} ${LO.name.padStart(8)}\n`);

/** The files of `/proc/net`. */
export function netFiles(network: Network): Record<string, () => string> {
  const { index, ipv6, name } = LO;
  const counts = [8, 8, 5, 5, 5, 6, 11, 10].map((width) => "0".padStart(width)).join("");
  return {
    arp: () => "IP address       HW type     Flags       HW address            Mask     Device\n",
    dev: () =>
      `${DEVICES}${
        name.padStart(6)
      }:${counts}        0       0    0    0    0     0       0          0\n`,
    if_inet6: () =>
      `${ipv6.host} ${hex(index, 2)} ${ipv6.prefix.toString(16)} 10 80 ${name.padStart(8)}\n`,
    ipv6_route: () => ROUTES6[0] + ROUTES6[1] + ROUTES6[0],
    route: () =>
      table(
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT",
        [],
        127,
      ),
    tcp: () => table(`  ${COLUMNS4}`, tcpRows(network, AF_INET), 149),
    tcp6: () => table(COLUMNS6, tcpRows(network, AF_INET6)),
    udp: () => table(`   ${COLUMNS4} ref pointer drops`, udpRows(network, AF_INET), 127),
    udp6: () => table(`${COLUMNS6} ref pointer drops`, udpRows(network, AF_INET6)),
    unix: () =>
      table("Num       RefCount Protocol Flags    Type St Inode Path", network.unix.map(unixRow)),
  };
}
