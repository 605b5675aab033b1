// The configuration: from the environment, and from nowhere else.

export function fromEnvironment(environment = process.env) {
  const port = Number(environment.PORT ?? 3003);
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    throw new Error(`catalog: PORT has to be a whole number up to 65535, not ${environment.PORT}`);
  }
  return { port, logLevel: (environment.LOG_LEVEL ?? 'INFO').toLowerCase() };
}
