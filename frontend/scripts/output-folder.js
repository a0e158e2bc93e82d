const { BASE_PATH, VITE_API_URL, OUTPUT_FOLDER } = process.env;

/** Where the build goes. What is built for a host of its own must not get into the binary, which takes in `build`. */
export const outputFolder = OUTPUT_FOLDER ?? (BASE_PATH || VITE_API_URL ? 'dist' : 'build');
