import { useEffect, useRef, useState } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import styles from "../SpendChart.module.css";
import { useSize } from "../useSize";
import { type Measure, roundSteps, type Stack, valueText } from "./trend";

/** How many colours there are; `--series-1` and so on. */
export const COLOURS = 8;

export function colourOf(row: number): string {
  return `var(--series-${(row % COLOURS) + 1})`;
}

export interface PlotProps {
  stack: Stack;
  measure: Measure;
  bucket: string;
  label: string;
  /** The bucket that is pointed at. */
  onPoint: (bucket: number | undefined) => void;
}

const HEIGHT = 240;

/** Bars that stand on each other. Decoration for who does not see it: the table says the same. */
export function Plot({ stack, measure, bucket, label, onPoint }: PlotProps) {
  const [ref, { width }] = useSize<HTMLDivElement>();
  const theme = useTheme();
  const plot = useRef<uPlot>(undefined);
  const heard = useRef(onPoint);
  heard.current = onPoint;

  // biome-ignore lint/correctness/useExhaustiveDependencies: another theme has other colours; the width is set below
  useEffect(() => {
    const element = ref.current;
    if (!element) return;
    const made = new uPlot(optionsOf(element, stack, measure, bucket, width, heard), dataOf(stack), element);
    plot.current = made;
    return () => {
      plot.current = undefined;
      made.destroy();
    };
  }, [ref, stack, measure, bucket, theme]);
  useEffect(() => plot.current?.setSize({ width, height: HEIGHT }), [width]);
  return <div className={styles.plot} ref={ref} role="img" aria-label={label} />;
}

/** The tops of the bars, the highest first: what stands lower is drawn over it. */
function dataOf(stack: Stack): uPlot.AlignedData {
  return [stack.at, ...stack.rows.map((row) => row.tops).reverse()];
}

function optionsOf(
  element: HTMLElement,
  stack: Stack,
  measure: Measure,
  bucket: string,
  width: number,
  heard: { current: (bucket: number | undefined) => void },
): uPlot.Options {
  const style = getComputedStyle(element);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const text = colour("--faint");
  const line = colour("--border");
  const font = `11px ${colour("--font") || "sans-serif"}`;
  const steps = roundSteps(stack.most);
  const length = bucket === "hour" ? 3600 : 86_400;
  const first = stack.at[0] ?? 0;
  const last = (stack.at.at(-1) ?? first) + length;
  const bars = uPlot.paths.bars?.({ size: [0.8, 48, 1], align: 1 });
  const rows = stack.rows.map((row, index): uPlot.Series => {
    const fill = colour(`--series-${(index % COLOURS) + 1}`);
    return {
      label: row.name,
      fill,
      stroke: fill,
      width: 0,
      points: { show: false },
      ...(bars && { paths: bars }),
    };
  });
  const grid = { stroke: line, width: 1 };
  return {
    width,
    height: HEIGHT,
    padding: [12, 8, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
    scales: {
      x: { time: true, range: [first, last] },
      y: { range: [0, steps.at(-1) ?? 1] },
    },
    axes: [
      {
        stroke: text,
        font,
        grid: { show: false },
        ticks: { ...grid, size: 4 },
        space: 64,
        values: (_, marks) => marks.map((at) => markText(at, bucket)),
        ...(bucket === "day" && { splits: (_, __, from, to) => dayMarks(stack.at, from, to, width) }),
      },
      {
        stroke: text,
        font,
        grid,
        ticks: { show: false },
        size: 64,
        splits: () => steps,
        values: (_, marks) => marks.map((value) => (value === 0 ? "0" : valueText(value, measure))),
      },
    ],
    series: [{}, ...rows.reverse()],
    hooks: {
      setCursor: [
        (plot) => {
          const place = plot.cursor.idx;
          heard.current(
            plot.cursor.left !== undefined && plot.cursor.left >= 0 ? (place ?? undefined) : undefined,
          );
        },
      ],
    },
  };
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

function markText(at: number, bucket: string): string {
  const date = new Date(at * 1000);
  const day = `${date.getDate()} ${MONTHS[date.getMonth()]}`;
  if (bucket === "day" || (date.getHours() === 0 && date.getMinutes() === 0)) return day;
  return `${String(date.getHours()).padStart(2, "0")}:${String(date.getMinutes()).padStart(2, "0")}`;
}

/** The beginnings of some of the days: as many as there is room for. */
function dayMarks(days: readonly number[], from: number, to: number, width: number): number[] {
  const seen = days.filter((day) => day >= from && day <= to);
  const each = Math.max(1, Math.ceil(seen.length / Math.max(1, Math.floor(width / 72))));
  return seen.filter((_, index) => index % each === 0);
}

/** The theme, which the colours of a canvas do not follow by themselves. */
function useTheme(): string {
  const [theme, setTheme] = useState(readTheme);
  useEffect(() => {
    const observer = new MutationObserver(() => setTheme(readTheme()));
    observer.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    return () => observer.disconnect();
  }, []);
  return theme;
}

function readTheme(): string {
  return document.documentElement.dataset.theme ?? "";
}
