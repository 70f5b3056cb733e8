
# FROM: its first layer is a root filesystem that was added
FROM scratch

# from a tiny tar
ADD <import> /

LABEL imgkit-test="import"

CMD ["/bin/sh","-c","true"]
