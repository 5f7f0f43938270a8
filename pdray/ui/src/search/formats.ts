/** What a file dialog offers as images; some of it no browser shows, but the server reads it. */
export const ACCEPT = "image/*,.heic,.heif,.avif,.jp2,.tif,.tiff";
