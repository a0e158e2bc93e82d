import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const BINARY = resolve(process.env.API_BINARY ?? '../target/debug/api');
/** Ends a run that hangs; no machine needs this long. */
const START_MS = 300_000;

/** The real server with its own empty database, on a free port. */
export class Server {
	private process!: ChildProcess;
	private text = '';

	private constructor(
		readonly url: string,
		private readonly folder: string,
		private readonly settings: Record<string, string>
	) {}

	static async start(settings: Record<string, string> = {}): Promise<Server> {
		const folder = await mkdtemp(join(tmpdir(), 'traitortrack-e2e-'));
		// PostgreSQL runs as a user of its own, who has to get in.
		await chmod(folder, 0o711);
		const server = new Server(`http://${settings.BIND ?? `127.0.0.1:${await freePort()}`}`, folder, settings);
		await server.run();
		return server;
	}

	/** What the server printed for the person who started it. */
	output(): string {
		return this.text;
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

	/** Pulls the plug: no chance to finish anything. */
	async kill(): Promise<void> {
		const ended = once(this.process, 'exit');
		this.process.kill('SIGKILL');
		await ended;
	}

	/** Starts it again on the same data and port. */
	async restart(): Promise<void> {
		await this.run();
	}

	async stop(): Promise<void> {
		// One that was killed by a test that failed since does not end a second time.
		if (this.process.exitCode === null && this.process.signalCode === null) {
			const ended = once(this.process, 'exit');
			this.process.kill('SIGTERM');
			await ended;
		}
		await rm(this.folder, { recursive: true, force: true });
	}

	private async run(): Promise<void> {
		const child = spawn(BINARY, ['serve'], {
			cwd: this.folder,
			env: {
				PATH: process.env.PATH,
				BIND: new URL(this.url).host,
				DATA_DIR: join(this.folder, 'var'),
				SIGN_IN_LIMIT_PER_MINUTE: '1000',
				// People of a test get the password that they go on with; `sign-in.spec.ts` tells what is so otherwise.
				REQUIRE_PASSWORD_CHANGE: 'false',
				RUST_LOG: 'warn',
				...this.settings
			}
		});
		this.process = child;
		child.stdout.on('data', (chunk: Buffer) => (this.text += chunk.toString()));
		child.stderr.on('data', (chunk: Buffer) => (this.text += chunk.toString()));
		const deadline = Date.now() + START_MS;
		while (!(await isReady(this.url))) {
			if (child.exitCode !== null || Date.now() > deadline) throw new Error(`the server did not start:\n${this.text}`);
			await new Promise((wait) => setTimeout(wait, 100));
		}
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
