const IMAGE = /\.(jpe?g|png|webp|gif|bmp|tiff?|avif|jp2|j2k|heic|heif)$/i;

export function isImage(file: File): boolean {
  return file.type.startsWith("image/") || IMAGE.test(file.name);
}

/** What a file dialog offers as images; some of it no browser shows, but the server reads it. */
export const ACCEPT = "image/*,.heic,.heif,.avif,.jp2,.tif,.tiff";
