import { Field } from "./Field.jsx";

/** For six digits of an authenticator app, or a recovery code. */
export function CodeField({ refusal, ...attributes }) {
  return (
    <Field
      label="Code of your app, or a recovery code"
      name="code"
      autoComplete="one-time-code"
      autoCapitalize="none"
      spellCheck={false}
      required
      refusal={refusal}
      {...attributes}
    />
  );
}
