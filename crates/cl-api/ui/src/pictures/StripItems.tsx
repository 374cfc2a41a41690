/**
 * The items of the top strip on slots, queue, limits and spend: small buttons, each with a popover.
 * They stand in one row; the strip gives them room and nothing else.
 */
export function StripItems() {
  return null;
}
