/** What the server refused, in its words, but for what stands beside a field; and when to try again. */
export function Refusal({ of: refusal }) {
  // A proof of the password that the user has cancelled needs no words.
  const isCancelled = refusal?.code === "reauthentication_required";
  const text = refusal?.fields ? refusal.fields.__all__?.join(" ") : refusal?.message;

  return (
    <p className="refusal" role="alert">
      {!isCancelled && text}
      {refusal?.retryAfter !== undefined && ` Try again in ${refusal.retryAfter} seconds.`}
    </p>
  );
}
