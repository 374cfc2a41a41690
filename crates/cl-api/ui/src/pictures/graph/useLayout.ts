import { startTransition, useEffect, useRef, useState } from "react";
import { type LayoutRequest, layout, type Placed } from "./layout";
import type { Answer, Asked } from "./layout.worker";
import { type Graph, shapeOf } from "./model";

export interface Laid {
  graph: Graph;
  placed: Placed;
}

/** Graphs up to this many tasks are laid out at once where there is no worker. */
const SMALL = 60;
/** Changes of the structure that come within this are laid out together, in milliseconds. */
const GATHER = 200;

/**
 * A graph with the places of its tasks, which a worker finds: the page goes on meanwhile, and
 * what was shown stays until the new places are there. While nothing has to move, changes of the
 * tasks themselves show at once.
 */
export function useLayout(graph: Graph): {
  laid: Laid | undefined;
  isBusy: boolean;
  problem: string | undefined;
} {
  const shape = shapeOf(graph);
  const [found, setFound] = useState<{ shape: string; graph: Graph; placed: Placed }>();
  const [problem, setProblem] = useState<string>();
  const worker = useRef<Worker>(undefined);
  const latest = useRef({ graph, shape, number: 0, hasAny: false });
  latest.current.graph = graph;
  latest.current.shape = shape;

  useEffect(() => () => worker.current?.terminate(), []);

  useEffect(() => {
    const wait = latest.current.hasAny ? GATHER : 0;
    latest.current.hasAny = true;
    const timer = setTimeout(() => {
      const { graph } = latest.current;
      latest.current.number += 1;
      const number = latest.current.number;
      const request = requestOf(graph);
      const take = (answer: Answer) => {
        if (answer.number !== latest.current.number) return;
        if ("problem" in answer) setProblem(answer.problem);
        else {
          // Drawing it may take a while, and what is shown can be used meanwhile.
          startTransition(() => {
            setProblem(undefined);
            setFound({ shape, graph, placed: answer.placed });
          });
        }
      };
      if (typeof Worker === "undefined" || graph.nodes.length <= SMALL) {
        take({ number, placed: layout(request) });
        return;
      }
      // One that is still at work on an earlier graph is not waited for.
      worker.current?.terminate();
      worker.current = new Worker(new URL("./layout.worker.ts", import.meta.url), { type: "module" });
      worker.current.onmessage = (event: MessageEvent<Answer>) => take(event.data);
      worker.current.onerror = (event) => take({ number, problem: event.message || "the layout failed" });
      worker.current.postMessage({ number, ...request } satisfies Asked);
    }, wait);
    return () => clearTimeout(timer);
  }, [shape]);

  if (!found) return { laid: undefined, isBusy: problem === undefined, problem };
  // The same tasks in the same places, as they are now.
  const isCurrent = found.shape === shape;
  return {
    laid: { graph: isCurrent ? graph : found.graph, placed: found.placed },
    isBusy: !isCurrent,
    problem,
  };
}

export function requestOf(graph: Graph): LayoutRequest {
  return {
    nodes: graph.nodes.map((node) => node.id),
    edges: graph.edges.map((edge) => [edge.from, edge.to]),
  };
}
