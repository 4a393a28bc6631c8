/** NETLINK_ROUTE: what is asked of the network and what it answers (net/core/rtnetlink.c). */
import { EINVAL, ENETUNREACH, ENODEV, EOPNOTSUPP, EPERM } from "../errno.ts";
import { decodeName } from "../fs/file_name.ts";
import { isLocal, mapped, reached } from "./host.ts";
import { LO } from "./interfaces.ts";
import {
  addressBodies,
  type Body,
  Ifinfomsg,
  linkBody,
  routeBodies,
  routeTo,
  RTA_DST,
  Rtmsg,
  ruleBodies,
} from "./link_messages.ts";
import {
  answer,
  attributeOf,
  errorAnswer,
  type NetlinkRequest,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLM_F_MULTI,
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_MIN_TYPE,
  u32,
} from "./netlink.ts";
import { AF_INET, AF_INET6, AF_UNSPEC } from "./socket_address.ts";

/** Requests come in fours: new, delete, get, set. */
const GET = 2;
const RTM_GETLINK = 18;
const RTM_GETADDR = 22;
const RTM_GETROUTE = 26;
const RTM_GETNEIGH = 30;
const RTM_GETRULE = 34;
/** Types from here on are no requests (__RTM_MAX, rounded up). */
const RTM_END = 128;
const IFLA_IFNAME = 3;

/** The messages that answer a request of the socket `port`. */
export function answerRoute(request: NetlinkRequest, port: number): Uint8Array[] {
  const { type, flags } = request;
  const acknowledged = (flags & NLM_F_ACK) !== 0;
  const isRequest = (flags & NLM_F_REQUEST) !== 0 && type >= NLMSG_MIN_TYPE;
  const result = isRequest && request.body.length > 0 ? answersOf(request) : null;
  if (result === null) return acknowledged ? [errorAnswer(request, port, 0)] : [];
  if (typeof result === "number") return [errorAnswer(request, port, -result)];
  // The type of an answer is that of "new" of the same four.
  const kind = type - GET;
  if (isDump(request)) {
    const list = result.map((body) => answer(request, port, kind, NLM_F_MULTI, body));
    return [...list, answer(request, port, NLMSG_DONE, NLM_F_MULTI, [u32(0)])];
  }
  const list = result.map((body) => answer(request, port, kind, 0, body));
  return acknowledged ? [...list, errorAnswer(request, port, 0)] : list;
}

function isDump({ type, flags }: NetlinkRequest): boolean {
  return (type & 3) === GET && (flags & NLM_F_DUMP) !== 0;
}

/** Bodies of the answers, or -errno. */
function answersOf(request: NetlinkRequest): readonly Body[] | number {
  const { type, body } = request;
  if (type >= RTM_END) return -EOPNOTSUPP;
  if ((type & 3) !== GET) return -EPERM;
  if (isDump(request)) return listOf(type, body[0]);
  switch (type) {
    case RTM_GETLINK:
      return linkOf(body);
    case RTM_GETROUTE:
      return routeOf(body);
    default:
      return -EOPNOTSUPP;
  }
}

/** Everything of one kind, of one family or all. */
function listOf(type: number, family: number): readonly Body[] | number {
  switch (type) {
    case RTM_GETLINK:
      return [linkBody()];
    case RTM_GETADDR:
      return ofFamily(addressBodies(), family);
    case RTM_GETROUTE:
      return ofFamily(routeBodies(), family);
    case RTM_GETRULE:
      return ofFamily(ruleBodies(), family);
    case RTM_GETNEIGH:
      return [];
    default:
      return -EOPNOTSUPP;
  }
}

function ofFamily(bodies: ReadonlyMap<number, readonly Body[]>, family: number): readonly Body[] {
  if (family === AF_UNSPEC) return [...bodies.values()].flat();
  return bodies.get(family) ?? [];
}

/** The link of an index or a name. */
function linkOf(body: Uint8Array): readonly Body[] | number {
  if (body.length < Ifinfomsg.size) return -EINVAL;
  const { index } = Ifinfomsg.decode(body);
  if (index < 0) return -EINVAL;
  if (index > 0) return index === LO.index ? [linkBody()] : -ENODEV;
  const name = attributeOf(body, Ifinfomsg.size, IFLA_IFNAME);
  if (name === undefined) return -EINVAL;
  return decodeName(name).replace(/\0.*/s, "") === LO.name ? [linkBody()] : -ENODEV;
}

/** The route to a host. */
function routeOf(body: Uint8Array): readonly Body[] | number {
  if (body.length < Rtmsg.size) return -EINVAL;
  const { family } = Rtmsg.decode(body);
  if (family !== AF_INET && family !== AF_INET6) return -EOPNOTSUPP;
  const bytes = attributeOf(body, Rtmsg.size, RTA_DST) ?? new Uint8Array(16);
  if (bytes.length < (family === AF_INET ? 4 : 16)) return -EINVAL;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const host = family === AF_INET ? mapped(view.getUint32(0)) : bytes.toHex();
  return isLocal(host) ? [routeTo(family, reached(host))] : -ENETUNREACH;
}
