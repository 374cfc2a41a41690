/** The heads of the columns of a table; a number stands on the right. */
export function Columns({ of }: { of: readonly (string | { number: string })[] }) {
  return (
    <thead>
      <tr>
        {of.map((column) =>
          typeof column === "string" ? (
            <th key={column} scope="col">
              {column}
            </th>
          ) : (
            <th key={column.number} scope="col" data-number>
              {column.number}
            </th>
          ),
        )}
      </tr>
    </thead>
  );
}
