"""The synthetic collection: small described scenes, their pictures, captions and EXIF. No torch."""
