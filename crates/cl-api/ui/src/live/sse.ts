/** One event of a stream. */
export interface StreamEvent {
  name: string;
  id: string | undefined;
  data: string;
}

/** The most text that is held for an event that does not end. */
const LONGEST = 8 * 1024 * 1024;

/** Cuts the text of an event stream into events, whatever the pieces are that it comes in. */
export class StreamReader {
  #rest = "";
  #name = "";
  #id: string | undefined;
  #data: string[] = [];
  #size = 0;

  /** Takes the next piece; returns the events that it completes. */
  read(piece: string): StreamEvent[] {
    const events: StreamEvent[] = [];
    const text = this.#rest + piece;
    let start = 0;
    for (;;) {
      const end = text.indexOf("\n", start);
      if (end < 0) break;
      const line = text.slice(start, text[end - 1] === "\r" && end > start ? end - 1 : end);
      start = end + 1;
      const event = this.#line(line);
      if (event) events.push(event);
    }
    this.#rest = text.slice(start);
    if (this.#rest.length + this.#size > LONGEST) throw new Error("an event is too long");
    return events;
  }

  #line(line: string): StreamEvent | undefined {
    if (line === "") {
      const event =
        this.#data.length > 0 || this.#name
          ? { name: this.#name || "message", id: this.#id, data: this.#data.join("\n") }
          : undefined;
      this.#name = "";
      this.#id = undefined;
      this.#data = [];
      this.#size = 0;
      return event;
    }
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? "" : line.slice(colon + 1);
    if (value.startsWith(" ")) value = value.slice(1);
    if (field === "event") this.#name = value;
    else if (field === "id") this.#id = value;
    else if (field === "data") {
      this.#data.push(value);
      this.#size += value.length;
    }
    return undefined;
  }
}
