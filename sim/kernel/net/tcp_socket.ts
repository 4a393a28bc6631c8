/** Sockets of TCP (tcp(7)). Connections are made at once, unless the listener's backlog is full. */
import {
  EAGAIN,
  EALREADY,
  ECONNABORTED,
  ECONNREFUSED,
  EINPROGRESS,
  EINVAL,
  EISCONN,
  ENOTCONN,
  EPIPE,
} from "../errno.ts";
import {
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLOUT,
  POLLRDHUP,
  POLLRDNORM,
  POLLWRNORM,
} from "../fs/constants.ts";
import { InternetSocket } from "./internet_socket.ts";
import type { PortTable } from "./port_table.ts";
import { type Connector, Socket } from "./socket.ts";
import { AF_UNSPEC, type SocketAddress } from "./socket_address.ts";

/** Connecting that the program has not been told the end of. */
interface Attempt {
  state: "queued" | "connected" | "refused";
  /** The local name goes with a failure, unless the program had chosen it. */
  readonly named: boolean;
  /** Make the connection. */
  readonly finish: () => void;
}

export class TcpSocket extends InternetSocket {
  override readonly protocol: number = 6;
  override readonly longest: number = Infinity;
  protected override readonly unconnected: number = -ENOTCONN;
  protected override readonly shutAlone: number = -ENOTCONN;
  #attempt: Attempt | null = null;
  /** Those whose connection has no room in the backlog. */
  #queued: TcpSocket[] = [];
  /** It has sent to a peer that has closed, which answered so. */
  #reset = false;

  protected override get ports(): PortTable<InternetSocket> {
    return this.network.tcp;
  }

  protected override get hungUp(): boolean {
    return this.shutWrite || this.#reset;
  }

  override connect(address: SocketAddress, connector: Connector): number {
    if (this.#attempt !== null) return this.#outcome(this.#attempt, connector.waits);
    if (address.family === AF_UNSPEC) return -EINVAL;
    if (this.listening || this.peer !== null || this.remote !== null) return -EISCONN;
    const to = this.destination(address);
    if (typeof to === "number") return to;
    const named = this.local !== null;
    if (!named) {
      const error = this.take({ ...this.name, port: 0 });
      if (error < 0) return error;
    }
    const source = this.sourceFor(to.host);
    const listener = this.network.tcp.find(to, source);
    const finish = (): void => {
      const server = connector.makePeer(listener!) as TcpSocket;
      this.local = this.own(source);
      this.remote = this.own(to);
      server.local = server.own(to);
      server.remote = server.own(source);
      server.ports.add(server);
      Socket.join(this, server);
      listener!.enqueue(server);
      this.tellBoth();
    };
    const attempt: Attempt = { state: "queued", named, finish };
    this.#attempt = attempt;
    if (!(listener instanceof TcpSocket)) this.#refuse();
    else if (listener.backlogFull) listener.#queued.push(this);
    else this.#succeed();
    // Even a connection that is there at once is told of later to who does not wait.
    return connector.waits ? this.#outcome(attempt, true) : -EINPROGRESS;
  }

  #succeed(): void {
    this.#attempt!.finish();
    this.#attempt!.state = "connected";
  }

  #refuse(): void {
    this.#attempt!.state = "refused";
    this.fail(ECONNREFUSED);
  }

  /** What became of an attempt; the program now knows. */
  #outcome(attempt: Attempt, waits: boolean): number {
    if (attempt.state === "queued") return waits ? -EAGAIN : -EALREADY;
    this.#attempt = null;
    if (attempt.state === "connected") return 0;
    if (!attempt.named) this.drop(true);
    return this.takeError() || -ECONNABORTED;
  }

  override accept(): Socket | number {
    const next = super.accept();
    if (typeof next !== "number") {
      while (!this.backlogFull && this.#queued.length > 0) {
        const waiting = this.#queued.shift()!;
        if (!waiting.gone) waiting.#succeed();
      }
    }
    return next;
  }

  /** A listener that shuts reading listens no more, which ends a waiting accept (inet_shutdown). */
  override shutdown(how: number): number {
    if (!this.listening) return super.shutdown(how);
    if (how !== 1) {
      this.refuseBacklog();
      this.tellBoth();
    }
    return 0;
  }

  protected override refuseBacklog(): void {
    super.refuseBacklog();
    for (const waiting of this.#queued) if (!waiting.gone) waiting.#refuse();
    this.#queued = [];
  }

  protected override receiver(): number {
    return -EINVAL; // never asked: it is a stream
  }

  /** A peer that has closed answers what still comes with a reset, known to the next call. */
  protected override sendNowhere(count: number): number {
    if (this.#attempt?.state === "queued") return -EAGAIN;
    if (this.remote === null || this.#reset) return -EPIPE;
    this.#reset = true;
    this.fail(EPIPE);
    return count;
  }

  override poll(): number {
    switch (this.#attempt?.state) {
      case "queued":
        return 0;
      case "refused":
        return POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM | POLLRDHUP | POLLHUP |
          (this.error !== 0 ? POLLERR : 0);
      default:
        return super.poll();
    }
  }
}
