import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const BINARY = resolve(process.env.API_BINARY ?? '../target/debug/api');
const START_MS = 60_000;

/** The real server with its own empty database, on a free port. */
export class Server {
	private constructor(
		readonly url: string,
		/** What the server printed for the person who started it. */
		readonly output: () => string,
		private readonly process: ChildProcess,
		private readonly folder: string
	) {}

	static async start(settings: Record<string, string> = {}): Promise<Server> {
		const folder = await mkdtemp(join(tmpdir(), 'traitortrack-e2e-'));
		// PostgreSQL runs as a user of its own, who has to get in.
		await chmod(folder, 0o711);
		const address = settings.BIND ?? `127.0.0.1:${await freePort()}`;
		const url = `http://${address}`;
		let output = '';
		const child = spawn(BINARY, ['serve'], {
			cwd: folder,
			env: {
				PATH: process.env.PATH,
				BIND: address,
				DATA_DIR: join(folder, 'var'),
				SIGN_IN_LIMIT_PER_MINUTE: '1000',
				RUST_LOG: 'warn',
				...settings
			}
		});
		child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
		child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
		const server = new Server(url, () => output, child, folder);
		const deadline = Date.now() + START_MS;
		while (!(await isReady(url))) {
			if (child.exitCode !== null || Date.now() > deadline) throw new Error(`the server did not start:\n${output}`);
			await new Promise((wait) => setTimeout(wait, 100));
		}
		return server;
	}

	/** The password of the first admin, as printed at the first start. */
	firstPassword(): string {
		const password = /First password:\s+(\S+)/.exec(this.output())?.[1];
		if (!password) throw new Error(`no first password was printed:\n${this.output()}`);
		return password;
	}

	/** Where e-mails land that the server has no way to send. */
	get mailFolder(): string {
		return join(this.folder, 'var', 'mail');
	}

	async stop(): Promise<void> {
		const ended = new Promise((end) => this.process.once('exit', end));
		this.process.kill('SIGTERM');
		await ended;
		await rm(this.folder, { recursive: true, force: true });
	}
}

async function isReady(url: string): Promise<boolean> {
	return fetch(`${url}/health/ready`).then(
		(answer) => answer.ok,
		() => false
	);
}

/** A port nobody listens on. */
export function freePort(): Promise<number> {
	return new Promise((resolve, reject) => {
		const probe = createServer();
		probe.once('error', reject);
		probe.listen(0, '127.0.0.1', () => {
			const address = probe.address();
			probe.close(() =>
				typeof address === 'object' && address ? resolve(address.port) : reject(new Error('no port'))
			);
		});
	});
}
