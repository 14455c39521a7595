import type { PeerId } from "../../engine/lib/ids.ts";
import type { ConfChange, Message } from "../../engine/raft/types.ts";
import { messageType } from "./etcd-text.ts";

export type Proposal =
  | { readonly kind: "data"; readonly data: Uint8Array }
  | { readonly kind: "conf"; readonly change: ConfChange }
  | { readonly kind: "transfer"; readonly to: PeerId };

/** Everything that waits for `deliver-msgs`, in one queue as in etcd's scenarios. */
export type Mail =
  | { readonly kind: "message"; readonly to: PeerId; readonly message: Message }
  /** A proposal on its way from a follower to its leader: etcd's cores forward, ours do not. */
  | { readonly kind: "proposal"; readonly to: PeerId; readonly proposal: Proposal }
  /** A thread of a node tells the node itself what it has finished. Never lost. */
  | { readonly kind: "notice"; readonly to: PeerId; readonly tell: () => void };

export type Meant = { readonly id: number; readonly type: string | null; readonly drop: boolean };

export class Mailbox {
  #mail: Mail[] = [];
  /** The session last used from one node to another: for snapshots made by hand. */
  readonly #sessions = new Map<string, number>();

  session(from: number, to: number): number {
    return this.#sessions.get(`${from}>${to}`) ?? 0;
  }

  post(mail: Mail): void {
    const message = mail.kind === "message" ? mail.message : null;
    if (message?.kind === "append" || message?.kind === "heartbeat") {
      this.#sessions.set(`${message.from}>${message.to}`, message.session);
    }
    this.#mail.push(mail);
  }

  /** Takes out what `meant` names, in order. */
  collect(meant: Meant): readonly Mail[] {
    const taken = this.#mail.filter((mail) => isMeant(mail, meant));
    this.#mail = this.#mail.filter((mail) => !isMeant(mail, meant));
    return taken;
  }
}

function isMeant(mail: Mail, { id, type, drop }: Meant): boolean {
  if (mail.to !== id || (drop && mail.kind === "notice")) return false;
  return type === null || typeOf(mail) === type;
}

function typeOf(mail: Mail): string | null {
  if (mail.kind === "message") return messageType(mail.message);
  if (mail.kind === "notice") return null;
  return mail.proposal.kind === "transfer" ? "MsgTransferLeader" : "MsgProp";
}
