
# FROM: base image unknown, and nothing in the history looks like one
FROM scratch

ENV PATH="/bin"

# committed container
COPY <layer:1> /

LABEL imgkit-test="buildah"

EXPOSE 8080

WORKDIR /app

ENTRYPOINT ["/bin/sh","-c"]
CMD ["true"]
