import { describe, expect, it } from "vitest";
import { BusFollower, type BusState, FIRST_PAGE, type Page, type ReadPage } from "./follower";
import type { Item } from "./messages";

/** A bus as the server reads it: pages oldest first, unknown places refused. */
class Bus {
  items: Item[] = [];
  asked: string[] = [];
  pageSize = 1000;
  failing = false;
  #count = 0;

  post(count = 1): void {
    for (let times = 0; times < count; times += 1) {
      this.#count += 1;
      const msg_id = `MSG-${this.#count}`;
      this.items.push({ msg_id, timestamp: "2026-02-23T00:00:00Z", type: "FACT", body: msg_id });
    }
  }

  read: ReadPage = async ({ after, before, limit }): Promise<Page> => {
    this.asked.push(after ? `after ${after}` : before ? `before ${before}` : `last ${limit}`);
    await Promise.resolve();
    if (this.failing) throw Object.assign(new Error("down"), { status: 0 });
    const place = (id: string) => {
      const at = this.items.findIndex((it) => it.msg_id === id);
      if (at < 0) throw Object.assign(new Error("message id not found"), { status: 404 });
      return at;
    };
    if (after) {
      const rest = this.items.slice(place(after) + 1);
      return { messages: rest.slice(0, this.pageSize), has_more: rest.length > this.pageSize };
    }
    const until = before ? place(before) : this.items.length;
    const from = Math.max(0, until - (limit ?? this.pageSize));
    return { messages: this.items.slice(from, until), has_more: from > 0 };
  };
}

function follow(bus: Bus): { follower: BusFollower; told: BusState[]; shown: () => string[] } {
  const told: BusState[] = [];
  const follower = new BusFollower(bus.read, (now) => told.push(now));
  return { follower, told, shown: () => follower.now.messages.items.map((it) => it.msg_id) };
}

describe("the follower of a bus", () => {
  it("takes the last page first and then what follows, each message once and in order", async () => {
    const bus = new Bus();
    bus.post(3);
    const { follower, shown } = follow(bus);
    await follower.look();
    bus.post(2);
    await follower.hear("MSG-5");
    expect(shown()).toEqual(["MSG-5", "MSG-4", "MSG-3", "MSG-2", "MSG-1"]);
    expect(bus.asked).toEqual([`last ${FIRST_PAGE}`, "after MSG-3"]);
  });

  it("asks nothing about a message that it knows", async () => {
    const bus = new Bus();
    bus.post(3);
    const { follower } = follow(bus);
    await follower.look();
    await follower.hear("MSG-3");
    await follower.hear("MSG-2");
    expect(bus.asked).toHaveLength(1);
  });

  it("goes on until nothing follows", async () => {
    const bus = new Bus();
    bus.post(1);
    const { follower, shown } = follow(bus);
    await follower.look();
    bus.pageSize = 10;
    bus.post(35);
    await follower.look();
    expect(shown()).toHaveLength(36);
    expect(new Set(shown()).size).toBe(36);
  });

  it("asks once more for what is told while it asks, and never twice at once", async () => {
    const bus = new Bus();
    bus.post(1);
    const { follower, shown } = follow(bus);
    await follower.look();
    bus.asked = [];
    bus.post(1);
    const looks = [follower.look(), follower.look(), follower.look()];
    bus.post(1);
    await Promise.all(looks);
    expect(shown()).toEqual(["MSG-3", "MSG-2", "MSG-1"]);
    expect(bus.asked.length).toBeLessThanOrEqual(2);
  });

  it("shows the last messages when its place is unknown, never an empty list", async () => {
    const bus = new Bus();
    bus.post(5);
    const { follower, told, shown } = follow(bus);
    await follower.look();
    bus.items = [];
    bus.post(30);
    await follower.look();
    expect(shown()).toHaveLength(30);
    expect(told.every((now) => now.messages.items.length > 0)).toBe(true);
  });

  it("keeps what it has when the server is away, and goes on afterwards", async () => {
    const bus = new Bus();
    bus.post(2);
    const { follower, shown } = follow(bus);
    await follower.look();
    bus.failing = true;
    bus.post(1);
    await follower.look();
    expect(follower.now.state).toBe("failed");
    expect(shown()).toEqual(["MSG-2", "MSG-1"]);
    bus.failing = false;
    await follower.look();
    expect(follower.now.state).toBe("ready");
    expect(shown()).toEqual(["MSG-3", "MSG-2", "MSG-1"]);
  });

  it("is ready and empty only where the bus is", async () => {
    const bus = new Bus();
    const { follower, told } = follow(bus);
    expect(follower.now.state).toBe("loading");
    await follower.look();
    expect(told.at(-1)).toMatchObject({ state: "ready", messages: { items: [] } });
    bus.post(1);
    await follower.hear("MSG-1");
    expect(follower.now.messages.items).toHaveLength(1);
  });

  it("reads on into the past", async () => {
    const bus = new Bus();
    bus.post(FIRST_PAGE + 20);
    const { follower, shown } = follow(bus);
    await follower.look();
    expect(shown()).toHaveLength(FIRST_PAGE);
    expect(await follower.readOlder()).toBe(true);
    expect(shown()).toHaveLength(FIRST_PAGE + 20);
    expect(shown().at(-1)).toBe("MSG-1");
    await follower.readOlder();
    expect(bus.asked).toHaveLength(2);
  });

  it("tells nothing once it has ended", async () => {
    const bus = new Bus();
    bus.post(1);
    const { follower, told } = follow(bus);
    const looking = follower.look();
    follower.end();
    await looking;
    expect(told).toEqual([]);
  });
});
