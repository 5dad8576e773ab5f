import { useId } from "react";

/** A field with its label, and what the server said against it. */
export function Field({ as: Control = "input", label, name, refusal, ...attributes }) {
  const id = useId();
  const messages = refusal?.fields?.[name];

  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <Control
        id={id}
        name={name}
        aria-invalid={Boolean(messages)}
        aria-describedby={`${id}-error`}
        {...attributes}
      />
      <p className="field-error" id={`${id}-error`}>
        {messages?.join(" ")}
      </p>
    </div>
  );
}
