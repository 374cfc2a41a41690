import styles from "./Choice.module.css";

interface ChoiceProps<T extends string> {
  /** What is chosen, for those who do not see it. */
  label: string;
  value: T;
  options: readonly { id: T; label: string }[];
  onChange: (value: T) => void;
}

/** One of a few: a row of buttons of which one is pressed. */
export function Choice<T extends string>({ label, value, options, onChange }: ChoiceProps<T>) {
  return (
    <fieldset className={styles.choice}>
      <legend className="visually-hidden">{label}</legend>
      {options.map((option) => (
        <button
          key={option.id}
          type="button"
          aria-pressed={option.id === value}
          onClick={() => onChange(option.id)}
        >
          {option.label}
        </button>
      ))}
    </fieldset>
  );
}

export type View = "picture" | "table";

/** The picture, or the same as a table. */
export function ViewChoice(props: { value: View; onChange: (view: View) => void; picture: string }) {
  const options = [
    { id: "picture" as const, label: props.picture },
    { id: "table" as const, label: "Table" },
  ];
  return <Choice label="Show as" value={props.value} options={options} onChange={props.onChange} />;
}
