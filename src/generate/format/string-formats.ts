/** JSON Schema's string formats as patterns. Each leaves out rare spellings, so that every validator takes what matches. */
const label = '[A-Za-z0-9]{1,24}(-[A-Za-z0-9]{1,24})?'
const host = `${label}(\\.${label}){0,4}`
const octet = '(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)'
const group = '[0-9a-f]{1,4}'
/** Without the 29th of February. */
const date = '\\d{4}-((01|03|05|07|08|10|12)-(0[1-9]|[12]\\d|3[01])|(04|06|09|11)-(0[1-9]|[12]\\d|30)|02-(0[1-9]|1\\d|2[0-8]))'
const time = '([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d{1,6})?(Z|[+-]([01]\\d|2[0-3]):[0-5]\\d)'
const clock = '(\\d{1,4}H(\\d{1,4}M(\\d{1,4}S)?)?|\\d{1,4}M(\\d{1,4}S)?|\\d{1,4}S)'

export const stringFormats: ReadonlyMap<string, string> = new Map([
  ['date', date],
  ['time', time],
  ['date-time', `${date}T${time}`],
  ['duration', `P(\\d{1,4}W|(\\d{1,4}Y(\\d{1,4}M(\\d{1,4}D)?)?|\\d{1,4}M(\\d{1,4}D)?|\\d{1,4}D)(T${clock})?|T${clock})`],
  ['email', `[A-Za-z0-9_+-]{1,30}(\\.[A-Za-z0-9_+-]{1,30})?@${label}(\\.${label}){0,2}\\.[A-Za-z]{2,12}`],
  ['hostname', host],
  ['ipv4', `${octet}(\\.${octet}){3}`],
  ['ipv6', `(${group}:){7}${group}|::1|${group}(:${group}){0,5}::${group}`],
  ['uri', `https?:\\/\\/${host}(:\\d{1,5})?(\\/[A-Za-z0-9._~-]*)*(\\?[A-Za-z0-9._~=&-]*)?(#[A-Za-z0-9._~-]*)?`],
  ['uuid', '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'],
].map(([name, pattern]) => [name!, `^(?:${pattern!})$`] as const))
