import { useEffect } from "react";
import { useLive } from "./store";
import { type FileKey, fileKey, type Grown } from "./world";

type Tell = (files: FileKey[]) => void;

const wanted = new Map<FileKey, number>();
let tell: Tell = () => {};

/** Says who is told which files this tab follows; he is told at once what they are now. */
export function onFollow(then: Tell): void {
  tell = then;
  tell([...wanted.keys()]);
}

/** Follows a file as long as the result was not called. */
export function follow(key: FileKey): () => void {
  const count = wanted.get(key) ?? 0;
  wanted.set(key, count + 1);
  if (count === 0) tell([...wanted.keys()]);
  let isOver = false;
  return () => {
    if (isOver) return;
    isOver = true;
    const left = (wanted.get(key) ?? 1) - 1;
    if (left > 0) wanted.set(key, left);
    else {
      wanted.delete(key);
      tell([...wanted.keys()]);
    }
  };
}

/**
 * How large a file is, kept up to date by the one connection while this is shown; `undefined`
 * until the server has told it, and where `file` is. It asks for nothing itself.
 */
export function useGrown(
  file: { project: string; task: string; run: string; file: string } | undefined,
): Grown | undefined {
  const key = file && fileKey(file);
  useEffect(() => (key === undefined ? undefined : follow(key)), [key]);
  return useLive((world) => (key === undefined ? undefined : world.grown[key]));
}
