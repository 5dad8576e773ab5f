/**
 * The few sentences that the client makes itself, in other languages than English; all others come from
 * the server, in the language of the request. Load it where that is used:
 * `SessionAuthError.messages = messagesFor(document.documentElement.lang)`.
 *
 * @module messages
 */
import type { Messages } from "./session-auth.js";

export const de: Messages = {
  cookie_not_kept: "Erlauben Sie dieser Website, Cookies zu speichern.",
  network_error: "Der Server ist nicht erreichbar.",
  passkey_exists: "Sie haben hier schon einen Passkey.",
  passkey_failed: "Es wurde kein Passkey benutzt.",
  unknown: "Der Server hat nicht so geantwortet wie erwartet.",
  user_changed:
    "Jemand anderes hat sich angemeldet, vielleicht in einem anderen Tab. Laden Sie die Seite neu, bevor Sie fortfahren.",
};

export const es: Messages = {
  cookie_not_kept: "Permita que este sitio guarde cookies.",
  network_error: "No se ha podido conectar con el servidor.",
  passkey_exists: "Ya tiene una clave de acceso aquí.",
  passkey_failed: "No se ha usado ninguna clave de acceso.",
  unknown: "El servidor no ha respondido como se esperaba.",
  user_changed:
    "Otra persona ha iniciado sesión, quizá en otra pestaña. Recargue la página antes de continuar.",
};

export const fr: Messages = {
  cookie_not_kept: "Autorisez ce site à conserver des cookies.",
  network_error: "Le serveur est injoignable.",
  passkey_exists: "Vous avez déjà une clé d’accès ici.",
  passkey_failed: "Aucune clé d’accès n’a été utilisée.",
  unknown: "Le serveur n’a pas répondu comme prévu.",
  user_changed:
    "Quelqu’un d’autre s’est connecté, peut-être dans un autre onglet. Rechargez la page avant de continuer.",
};

export const ja: Messages = {
  cookie_not_kept: "このサイトの Cookie を許可してください。",
  network_error: "サーバーに接続できませんでした。",
  passkey_exists: "このデバイスにはすでにパスキーがあります。",
  passkey_failed: "パスキーは使用されませんでした。",
  unknown: "サーバーから予期しない応答がありました。",
  user_changed:
    "別のタブなどで、他のユーザーがログインしました。続ける前にページを再読み込みしてください。",
};

export const pt: Messages = {
  cookie_not_kept: "Permita que este site guarde cookies.",
  network_error: "Não foi possível ligar ao servidor.",
  passkey_exists: "Já tem uma chave de acesso aqui.",
  passkey_failed: "Nenhuma chave de acesso foi usada.",
  unknown: "O servidor não respondeu como esperado.",
  user_changed:
    "Outra pessoa iniciou sessão, talvez noutro separador. Recarregue a página antes de continuar.",
};

export const ptBR: Messages = {
  cookie_not_kept: "Permita que este site guarde cookies.",
  network_error: "Não foi possível conectar ao servidor.",
  passkey_exists: "Você já tem uma chave de acesso aqui.",
  passkey_failed: "Nenhuma chave de acesso foi usada.",
  unknown: "O servidor não respondeu como esperado.",
  user_changed:
    "Outra pessoa entrou, talvez em outra aba. Recarregue a página antes de continuar.",
};

export const zh: Messages = {
  cookie_not_kept: "请允许此网站保存 Cookie。",
  network_error: "无法连接到服务器。",
  passkey_exists: "您在这里已有通行密钥。",
  passkey_failed: "未使用通行密钥。",
  unknown: "服务器的响应不符合预期。",
  user_changed: "可能在其他标签页中有其他用户登录。继续之前请重新加载页面。",
};

const catalogues = new Map(Object.entries({ de, es, fr, ja, pt, "pt-br": ptBR, zh }));

/** The sentences in a language by its tag, such as "pt-BR"; none, and so English, where there are none. */
export const messagesFor = (language: string): Messages => {
  const tag = language.toLowerCase();
  return catalogues.get(tag) ?? catalogues.get(tag.split("-")[0]!) ?? {};
};
