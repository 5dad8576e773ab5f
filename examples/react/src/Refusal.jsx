/** What the server refused, in its words, but for what stands beside a field; and when to try again. */
export function Refusal({ of: refusal }) {
  const text = refusal?.fields ? refusal.fields.__all__?.join(" ") : refusal?.message;

  return (
    <p className="refusal" role="alert">
      {text}
      {refusal?.retryAfter !== undefined && ` Try again in ${refusal.retryAfter} seconds.`}
    </p>
  );
}
