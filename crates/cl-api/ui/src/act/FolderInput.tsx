import { useQuery } from "@tanstack/react-query";
import { useId } from "react";
import { api, got } from "../api/client";
import type { Tied } from "./Field";

/** Folders that agents have worked in. */
export const useHomeDirs = (enabled: boolean) =>
  useQuery({
    queryKey: ["root", "home-dirs"],
    enabled,
    queryFn: ({ signal }) => got(api.GET("/api/projects/home-dirs", { signal })),
  });

/** A folder on the server's machine, with suggestions. */
export function FolderInput(props: {
  tied: Tied;
  value: string;
  onChange: (value: string) => void;
  placeholder?: string;
  disabled?: boolean;
}) {
  const list = useId();
  const { data } = useHomeDirs(true);
  return (
    <>
      <input
        {...props.tied}
        list={list}
        value={props.value}
        onChange={(event) => props.onChange(event.target.value)}
        placeholder={props.placeholder ?? "/home/me/project or ~/project"}
        disabled={props.disabled}
        spellCheck={false}
        autoComplete="off"
      />
      <datalist id={list}>
        {(data?.dirs ?? []).map((dir) => (
          <option key={dir} value={dir} />
        ))}
      </datalist>
    </>
  );
}
