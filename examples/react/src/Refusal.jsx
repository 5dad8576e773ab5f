/** What the server refused, in its words; and when to try again, if it says so. */
export function Refusal({ of: refusal }) {
  return (
    <p className="refusal" role="alert">
      {refusal?.message}
      {refusal?.retryAfter !== undefined && ` Try again in ${refusal.retryAfter} seconds.`}
    </p>
  );
}
