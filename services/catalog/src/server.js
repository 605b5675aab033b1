// The process: it listens, and on SIGTERM it answers what it has begun before it ends with exit code 0.

import { createApp } from './app.js';
import { fromEnvironment } from './config.js';
import { setLevel, write } from './logs.js';

const config = fromEnvironment();
setLevel(config.logLevel);

const server = createApp().listen(config.port, '0.0.0.0', (error) => {
  if (error) throw error;
  write('info', 'worker ready', { port: server.address().port });
});
server.keepAliveTimeout = 75_000; // longer than any client keeps an idle connection

for (const signal of ['SIGTERM', 'SIGINT']) {
  process.once(signal, () => {
    write('info', `${signal}: draining`);
    server.close(() => process.exit(0)); // takes no new connection, closes idle ones, waits for the others
  });
}
