declare global {
	interface ImportMetaEnv {
		/** Set at build time for an API on another host. */
		readonly VITE_API_URL?: string;
	}

	namespace App {
		interface Error {
			message: string;
			code?: string | undefined;
			/** Names the request in the server's log. */
			requestId?: string | undefined;
		}
	}
}

export {};
