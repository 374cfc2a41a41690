/** The shared worker: one per browser, which holds the one connection for all of its tabs. */
import { type FromTab, Hub, type Port } from "./hub";
import { Runner } from "./runner";

declare const self: EventTarget & {
  addEventListener(type: "connect", heard: (event: MessageEvent) => void): void;
};

const hub = new Hub();
const runner = new Runner((told) => hub.take(told));
hub.connect(runner);
runner.start();

self.addEventListener("connect", (event) => {
  const [channel] = event.ports;
  if (!channel) return;
  const port: Port = { post: (message) => channel.postMessage(message) };
  channel.onmessage = ({ data }: MessageEvent<FromTab>) => {
    hub.hear(port, data);
    // A tab holds a lock of its own name as long as it lives; whoever gets it knows that it is dead.
    if (data.type === "hello" && "locks" in navigator) {
      void navigator.locks.request(data.tab, () => hub.leave(port)).catch(() => {});
    }
  };
});
