import { type LayoutRequest, layout, type Placed } from "./layout";

export interface Asked extends LayoutRequest {
  number: number;
}

export type Answer = { number: number; placed: Placed } | { number: number; problem: string };

addEventListener("message", (event: MessageEvent<Asked>) => {
  const { number, ...request } = event.data;
  let answer: Answer;
  try {
    answer = { number, placed: layout(request) };
  } catch (error) {
    answer = { number, problem: error instanceof Error ? error.message : String(error) };
  }
  postMessage(answer);
});
