import java.nio.charset.StandardCharsets;
import java.util.Base64;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * Mints an Ably JWT with javax.crypto and java.util.Base64 alone.
 *
 * MINT_SECRET=... java Mint.java KEY_NAME CLIENT_ID CAPABILITY IAT EXP
 */
public class Mint {
    public static void main(String[] args) throws Exception {
        String header = "{\"typ\":\"JWT\",\"alg\":\"HS256\",\"kid\":" + quoted(args[0]) + "}";
        String claims = "{\"iat\":" + Long.parseLong(args[3]) + ",\"exp\":" + Long.parseLong(args[4])
            + ",\"x-ably-capability\":" + quoted(args[2]) + ",\"x-ably-clientId\":" + quoted(args[1]) + "}";
        String input = base64url(header.getBytes(StandardCharsets.UTF_8)) + "."
            + base64url(claims.getBytes(StandardCharsets.UTF_8));

        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(System.getenv("MINT_SECRET").getBytes(StandardCharsets.UTF_8), "HmacSHA256"));
        System.out.println(input + "." + base64url(mac.doFinal(input.getBytes(StandardCharsets.US_ASCII))));
    }

    static String base64url(byte[] bytes) {
        return Base64.getUrlEncoder().withoutPadding().encodeToString(bytes);
    }

    static String quoted(String text) {
        return "\"" + text.replace("\\", "\\\\").replace("\"", "\\\"") + "\"";
    }
}
